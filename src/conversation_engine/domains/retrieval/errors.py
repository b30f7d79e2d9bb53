"""Why something about documents was refused."""

from conversation_engine.kernel.errors import EngineError, Kind


class CollectionNotFoundError(EngineError):
    """No collection has this id, or it was deleted."""

    code = "collection_not_found"
    kind = Kind.NOT_FOUND

    def __init__(self, collection_id: str) -> None:
        super().__init__(
            "There is no such collection. It may have been deleted: list yours to see what is there.",
            collection_id=collection_id,
        )


class CollectionForbiddenError(EngineError):
    """The collection is somebody else's: not shared, or not to be changed by the caller."""

    code = "collection_forbidden"
    kind = Kind.FORBIDDEN

    def __init__(self, collection_id: str) -> None:
        super().__init__("That collection belongs to somebody else.", collection_id=collection_id)


class SharingForbiddenError(EngineError):
    """Only teachers and administrators share."""

    code = "sharing_forbidden"
    kind = Kind.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("Only teachers and administrators can share a collection. Keep it to yourself, or ask one.")


class CollectionNameTakenError(EngineError):
    """The owner has a collection of this name."""

    code = "collection_name_taken"
    kind = Kind.CONFLICT

    def __init__(self, name: str) -> None:
        super().__init__("You have a collection of that name. Choose another name, or use that one.", name=name)


class DocumentNotFoundError(EngineError):
    """No document has this id, or it was deleted."""

    code = "document_not_found"
    kind = Kind.NOT_FOUND

    def __init__(self, document_id: str) -> None:
        super().__init__(
            "There is no such document. It may have been deleted: list yours to see what is there.",
            document_id=document_id,
        )


class DocumentForbiddenError(EngineError):
    """The document is somebody else's."""

    code = "document_forbidden"
    kind = Kind.FORBIDDEN

    def __init__(self, document_id: str) -> None:
        super().__init__("That document belongs to somebody else.", document_id=document_id)


class PassageNotFoundError(EngineError):
    """The document has no such passage."""

    code = "passage_not_found"
    kind = Kind.NOT_FOUND

    def __init__(self, document_id: str, ordinal: int) -> None:
        super().__init__(
            "That document has no such passage. It may have been uploaded anew.",
            document_id=document_id,
            ordinal=ordinal,
        )
