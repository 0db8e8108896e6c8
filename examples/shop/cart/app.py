"""The cart: what a customer wants, kept in the database."""

from shopkit import literal, query, serve


def show():
    return query("SELECT product, count(*) AS number FROM cart GROUP BY product ORDER BY product")


def add(product):
    query(f"INSERT INTO cart (product) VALUES ({literal(product)})")
    return show()


def clear():
    query("DELETE FROM cart")
    return show()


serve({("GET", "/cart"): show, ("POST", "/cart"): add, ("DELETE", "/cart"): clear})
