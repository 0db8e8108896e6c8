CREATE TABLE orders (id serial PRIMARY KEY, products text NOT NULL);
