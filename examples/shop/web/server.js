// The shop's page: products of the catalog, and what is in the cart.
"use strict";

const fs = require("node:fs");
const http = require("node:http");

const page = fs.readFileSync("page.html", "utf8");
const catalog = process.env.CATALOG_URL || "http://catalog";
const cart = process.env.CART_URL || "http://cart";

async function json(url, options) {
  const response = await fetch(url, { ...options, signal: AbortSignal.timeout(5000) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.json();
}

function escaped(text) {
  return String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

async function home() {
  const [products, chosen] = await Promise.all([
    json(`${catalog}/products`),
    json(`${cart}/cart`),
  ]);
  const items = products.map(
    (product) => `<li>${escaped(product.name)}: ${(product.cents / 100).toFixed(2)}</li>`,
  );
  const words = chosen.map((line) => `${line.number} ${escaped(line.product)}`);
  return page
    .replace("<!-- products -->", items.join(""))
    .replace("<!-- cart -->", words.join(", ") || "nothing");
}

const server = http.createServer(async (request, response) => {
  if (request.url === "/healthz") return response.end("ok\n");
  console.log(request.socket.remoteAddress, request.method, request.url);
  if (request.url !== "/") return response.writeHead(404).end("no such page\n");
  try {
    const body = await home();
    response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end(body);
  } catch (error) {
    console.error(error.message);
    response.writeHead(503).end(`${error.message}\n`);
  }
});

process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
server.listen(8080, () => console.log("web listening on 8080"));
