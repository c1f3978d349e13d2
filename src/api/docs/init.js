// Draws the API document of this server. `validatorUrl: null` keeps the page from asking a service elsewhere.
window.ui = window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
