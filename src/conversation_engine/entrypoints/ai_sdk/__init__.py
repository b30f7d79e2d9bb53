"""The AI SDK's UI message stream, version 1, over our turns: `useChat` and `DefaultChatTransport` work unmodified."""
