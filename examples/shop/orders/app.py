"""Orders: a cart that was paid for."""

from shopkit import query, serve


def show():
    return query("SELECT id, products FROM orders ORDER BY id")


def checkout():
    # One statement, so that nothing is lost between cart and order.
    query(
        "WITH taken AS (DELETE FROM cart RETURNING product) "
        "INSERT INTO orders (products) SELECT string_agg(product, ', ') FROM taken "
        "HAVING count(*) > 0"
    )
    return show()


serve({("GET", "/orders"): show, ("POST", "/orders"): checkout})
