"""The HTTP side of the gateway: REST API, health, metrics; Starlette and uvicorn stay in here."""
