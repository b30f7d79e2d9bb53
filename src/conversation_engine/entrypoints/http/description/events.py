"""The events of streams: OpenAPI 3.1 has no word for them, so they stand under `x-events`, by name.

The schema is that of one event, as OpenAPI 3.2's `itemSchema` has it and as schemathesis reads it.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from conversation_engine.entrypoints.openai.chat_shapes import ChatCompletionChunk
from conversation_engine.entrypoints.openai.response_shapes import EVENTS
from conversation_engine.turns.schemas import UnderstoodOut

Json = dict[str, Any]


def _object(meaning: str, **fields: Json) -> Json:
    return {"type": "object", "description": meaning, "required": list(fields), "properties": fields}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _kind(name: str) -> Json:
    return {"type": "string", "const": name}


_TEXT: Final[Json] = {"type": "string"}
_NUMBER: Final[Json] = {"type": "integer", "minimum": 0}
_ANY: Final[Json] = {"type": "object"}


def _understood() -> Json:
    schema = UnderstoodOut.model_json_schema(ref_template="#/components/schemas/{model}")
    return {name: value for name, value in schema.items() if name != "$defs"}  # FollowUpOut is told of elsewhere


def _of_dialect() -> Mapping[str, Json]:
    wanted: list[tuple[type[BaseModel], Literal["serialization"]]] = [
        (model, "serialization") for model in (*EVENTS, ChatCompletionChunk)
    ]
    _, found = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
    schemas: Mapping[str, Json] = found["$defs"]
    return schemas


SCHEMAS: Final[Mapping[str, Json]] = {
    **_of_dialect(),
    "UnderstoodEvent": _understood(),
    "ReplyDeltaEvent": _object(
        "More of the reply. `offset` is its length with it, in Unicode code points.", offset=_NUMBER, text=_TEXT
    ),
    "ToolCallEvent": _object("A tool is called.", offset=_NUMBER, index=_NUMBER, call_id=_TEXT, name=_TEXT),
    "ToolCallDeltaEvent": _object("More of what a tool is called with.", offset=_NUMBER, index=_NUMBER, text=_TEXT),
    "UiStart": _object("A message begins.", type=_kind("start"), messageId=_TEXT, messageMetadata=_ANY),
    "UiMark": _object("A step or a text begins or ends, or is taken back.", type=_TEXT),
    "UiTextDelta": _object("More of the text.", type=_kind("text-delta"), id=_TEXT, delta=_TEXT),
    "UiMetadata": _object("State, usage and cost.", type=_kind("message-metadata"), messageMetadata=_ANY),
    "UiFinish": _object("The end.", type=_kind("finish"), finishReason=_TEXT, messageMetadata=_ANY),
    "UiError": _object("Why it broke off.", type=_kind("error"), errorText=_TEXT),
    "UiAbort": _object("It was stopped.", type=_kind("abort"), reason=_TEXT),
    "UiToolInput": _object("A tool is called; `available`: the page is to run it.", type=_TEXT, toolCallId=_TEXT),
    "UiToolOutput": _object("What came of a call, told again.", type=_TEXT, toolCallId=_TEXT),
    "UiSource": _object(
        "A document that the reply names.",
        type=_kind("source-document"),
        sourceId=_TEXT,
        mediaType=_TEXT,
        title=_TEXT,
        filename=_TEXT,
    ),
}

_TURN: Final[Mapping[str, Json]] = {
    "turn.started": _ref("TurnOut"),
    "reply.delta": _ref("ReplyDeltaEvent"),
    "reply.tool_call": _ref("ToolCallEvent"),
    "reply.tool_call_delta": _ref("ToolCallDeltaEvent"),
    "turn.restarted": _ref("TurnOut"),
    "turn.completed": _ref("TurnOut"),
    "turn.failed": _ref("TurnOut"),
    "turn.cancelled": _ref("TurnOut"),
    "turn.interrupted": _ref("TurnOut"),
    "error": _ref("Problem"),
}
_RESPONSES: Final[Mapping[str, Json]] = {
    name: _ref(model.__name__) for model in EVENTS for name in get_args(model.model_fields["type"].annotation)
}
_UI: Final[Mapping[str, Json]] = {
    "start": _ref("UiStart"),
    **{name: _ref("UiMark") for name in ("start-step", "text-start", "text-end", "finish-step", "reset-step")},
    "text-delta": _ref("UiTextDelta"),
    **{f"tool-input-{part}": _ref("UiToolInput") for part in ("start", "delta", "available", "error")},
    **{f"tool-output-{part}": _ref("UiToolOutput") for part in ("available", "error")},
    "source-document": _ref("UiSource"),
    "message-metadata": _ref("UiMetadata"),
    "finish": _ref("UiFinish"),
    "error": _ref("UiError"),
    "abort": _ref("UiAbort"),
}
_TURN_EXAMPLE: Final = {"id": "5", "event": "reply.delta", "data": '{"offset":5,"text":"Hello"}'}
_RESPONSES_EXAMPLE: Final = {
    "event": "response.output_text.delta",
    "data": '{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"logprobs":[],'
    '"delta":"Hello","sequence_number":9}',
}
_CHUNKS_EXAMPLE: Final = {
    "data": '{"id":"chatcmpl_1","object":"chat.completion.chunk","created":1795338561,"model":"local",'
    '"system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}]}'
}
_UI_EXAMPLE: Final = {"data": '{"type":"text-delta","id":"reply","delta":"Hello"}'}


def media_type_of(path: str) -> Json:
    """What the document says of the stream of a route."""
    if path.startswith("/v1/responses"):
        return _described(_RESPONSES, _RESPONSES_EXAMPLE)
    if path.startswith("/v1/chat"):
        return _described({"": _ref("ChatCompletionChunk")}, _CHUNKS_EXAMPLE)
    if path.startswith("/api/chat"):
        return _described(_UI, _UI_EXAMPLE)
    if path == "/query":
        return _described({"query.understood": _ref("UnderstoodEvent"), **_TURN}, _TURN_EXAMPLE)
    return _described(_TURN, _TURN_EXAMPLE)


def _described(events: Mapping[str, Json], example: Json) -> Json:
    kinds = list({event["$ref"]: event for event in events.values()}.values())
    data: Json = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"anyOf": kinds} if len(kinds) > 1 else kinds[0],
    }
    if not example.get("event", "").startswith("reply."):
        data = {"anyOf": [{"type": "string", "const": "[DONE]"}, data]}
    one = {"type": "object", "properties": {"id": _TEXT, "event": _TEXT, "data": data}, "required": ["data"]}
    return {"schema": one, "example": example, "x-events": dict(events)}
