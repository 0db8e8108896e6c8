CREATE TABLE cart (id serial PRIMARY KEY, product text NOT NULL);
