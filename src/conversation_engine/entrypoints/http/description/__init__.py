"""What the OpenAPI document tells beyond the routes' own types: every refusal, the events of streams, examples."""
