"""The application, whose document tells more than FastAPI does."""

from typing import Any

from fastapi import FastAPI


class Api(FastAPI):
    """An application whose document tells every refusal and every event."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            # What it takes is 5 % of starting a server, and most servers are never asked.
            from conversation_engine.entrypoints.http.description.document import completed

            self.openapi_schema = completed(super().openapi())
        return self.openapi_schema
