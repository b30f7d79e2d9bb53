"""Small files as other products write them."""

from datetime import UTC, datetime
from typing import Any

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def chatgpt_node(key: str, parent: str | None, role: str, said: Any, *, at: float = 0, **more: Any) -> dict[str, Any]:
    """A node of a mapping; `said` is a text, or the content as it stands in the file."""
    content = {"content_type": "text", "parts": [said]} if isinstance(said, str) else said
    message = {
        "id": key,
        "author": {"role": role, "name": more.pop("name", None), "metadata": {}},
        "create_time": NOON.timestamp() + at,
        "content": content,
        "status": "finished_successfully",
        "weight": 1.0,
        "metadata": {},
        "recipient": "all",
        **more,
    }
    return {"id": key, "message": message, "parent": parent, "children": []}


_PICTURE = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://abc", "size_bytes": 7}
_BROWSED = {"content_type": "tether_browsing_display", "result": "A page.", "summary": None}
CHATGPT = [
    {
        "title": "Boats",
        "create_time": NOON.timestamp(),
        "update_time": NOON.timestamp() + 60,
        "conversation_id": "a-chatgpt-id",
        "current_node": "answer",
        "mapping": {
            "root": {"id": "root", "message": None, "parent": None, "children": []},
            "hidden": chatgpt_node("hidden", "root", "system", ""),
            "answer": chatgpt_node("answer", "page", "assistant", "Density.", at=4, metadata={"model_slug": "gpt-4"}),
            "question": chatgpt_node("question", "hidden", "user", "Why do boats float?", at=1),
            "search": chatgpt_node("search", "question", "assistant", "search(boats)", at=2, recipient="browser"),
            "page": chatgpt_node("page", "search", "tool", _BROWSED, at=3, name="browser"),
            "picture": chatgpt_node(
                "picture",
                "hidden",
                "user",
                {"content_type": "multimodal_text", "parts": [_PICTURE, "Look at this:"]},
                at=5,
            ),
            "only": chatgpt_node(
                "only", "hidden", "user", {"content_type": "multimodal_text", "parts": [_PICTURE]}, at=6
            ),
        },
    }
]
CLAUDE = [
    {
        "uuid": "a-claude-id",
        "name": "Reading",
        "created_at": "2024-05-01T12:00:00.000000Z",
        "updated_at": "2024-05-01T12:01:00.000000Z",
        "chat_messages": [
            {
                "uuid": "c1",
                "text": "Read this.",
                "sender": "human",
                "created_at": "2024-05-01T12:00:01.000000Z",
                "attachments": [
                    {"file_name": "notes.txt", "file_size": 12, "file_type": "txt", "extracted_content": "…"}
                ],
                "files": [],
            },
            {
                "uuid": "c2",
                "text": "not used",
                "sender": "assistant",
                "created_at": "2024-05-01T12:00:02.000000Z",
                "content": [
                    {"type": "text", "text": "It is short."},
                    {"type": "tool_use", "name": "count", "input": {}},
                    {"type": "text", "text": "Very."},
                ],
            },
        ],
    },
    {
        "uuid": "another-claude-id",
        "name": "A tree",
        "created_at": "2024-05-02T12:00:00Z",
        "current_leaf_message_uuid": "t2",
        "chat_messages": [
            {
                "uuid": "t1",
                "text": "One",
                "sender": "human",
                "parent_message_uuid": "00000000-0000-4000-8000-000000000000",
            },
            {"uuid": "t0", "text": "Nobody", "sender": "ghost", "parent_message_uuid": "t1"},
            {"uuid": "t2", "text": "Two", "sender": "assistant", "parent_message_uuid": "t0"},
            {"uuid": "t3", "text": "Three", "sender": "assistant", "parent_message_uuid": "t1"},
        ],
    },
]
LIBRECHAT = {
    "conversationId": "a-librechat-id",
    "title": "Ports",
    "recursive": True,
    "options": {"model": "gpt-4-turbo", "promptPrefix": "Be kind."},
    "messages": [
        {
            "messageId": "l1",
            "parentMessageId": "00000000-0000-0000-0000-000000000000",
            "isCreatedByUser": True,
            "text": "Which port?",
            "createdAt": "2024-05-01T12:00:00.000Z",
            "children": [
                {
                    "messageId": "l2",
                    "parentMessageId": "l1",
                    "isCreatedByUser": False,
                    "text": "This one.",
                    "createdAt": "2024-05-01T12:00:01.000Z",
                },
                {
                    "messageId": "l3",
                    "parentMessageId": "l1",
                    "isCreatedByUser": False,
                    "sender": "Pilot",
                    "text": "",
                    "content": [
                        {"type": "text", "text": {"value": "Any [Tool: map]"}},
                        {"type": "tool_call", "tool_call": {"name": "map"}},
                    ],
                    "createdAt": "2024-05-01T12:00:02.000Z",
                    "children": [
                        {
                            "messageId": "l4",
                            "parentMessageId": "l3",
                            "isCreatedByUser": True,
                            "text": "Thanks",
                            "createdAt": "2024-05-01T12:00:03.000Z",
                        }
                    ],
                },
                {"messageId": "l5", "isCreatedByUser": "perhaps", "text": "?"},
            ],
        }
    ],
}
