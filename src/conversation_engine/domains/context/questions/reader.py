"""Understands questions by rules and learnt weights, without a model."""

from collections.abc import Mapping, Sequence

from conversation_engine.domains.context.questions.follow_up import Features, FollowUpClassifier
from conversation_engine.domains.context.questions.intents import IntentRules
from conversation_engine.domains.context.questions.rewriting import QuestionRewriter
from conversation_engine.domains.context.questions.senses import load_senses
from conversation_engine.domains.context.questions.talk import QUESTION_CHARACTERS, Asked, Heard, Said, Talk
from conversation_engine.domains.context.questions.topics import TopicTracker
from conversation_engine.domains.context.questions.types import FollowUp, Understanding
from conversation_engine.domains.context.questions.weights import Weights


class QuestionReader:
    """Everything that can be said of a question without asking a model: a few milliseconds, however long the talk."""

    def __init__(self, weights: Weights, *, intents: Mapping[str, Sequence[str]]) -> None:
        self._follow_ups = FollowUpClassifier(
            weights.follow_up, weights.rarity, weights.meanings, sensing=load_senses().follow_up
        )
        self._rewriter = QuestionRewriter(
            weights.terms, weights.rarity, follow_ups=self._follow_ups, threshold=weights.terms_threshold
        )
        self.topics = TopicTracker(weights.shift, weights.rarity, threshold=weights.shift_threshold)
        self._intents = IntentRules(intents, weights.rarity)

    def understand(self, query: str, said: Sequence[Said], *, sense: Features | None = None) -> Understanding:
        """What `query` means after `said` (oldest first). `sense`: of `senses.py`, where its model was asked."""
        asked, talk = Asked.of(query), Talk.of(said)
        probability = self._follow_ups.probability(asked, talk, sense=sense)
        is_follow_up = probability >= 0.5
        is_short = len(query) <= QUESTION_CHARACTERS  # what is longer says enough by itself
        terms = self._rewriter.terms_for(asked, talk) if is_follow_up and is_short else []
        standalone = f"{query} ({' '.join(terms)})" if terms else query
        follow_up = FollowUp(
            is_follow_up=is_follow_up,
            confidence=round(max(probability, 1 - probability), 3),
            leans_on=leant_on(talk, terms) if is_follow_up else None,
            previous_topic=self._topic_before(talk),
            context=[one.said for one in talk.heard],
        )
        return Understanding(
            query=query, standalone=standalone, follow_up=follow_up, intent=self._intents.choose(standalone)
        )

    def _topic_before(self, talk: Talk) -> str | None:
        """Of the stretch that the newest question belongs to."""
        anchor = self._rewriter.anchor(talk)
        first = anchor.said.sequence_number if anchor else 0
        stretch = [one.said for one in talk.heard if one.said.sequence_number >= first]
        return self.topics.topic(stretch) or None


def leant_on(talk: Talk, terms: Sequence[str]) -> int | None:
    """The newest message with most of `terms`; the newest question where none has any."""
    if not talk.heard:
        return None
    wanted = {word.stem for one in talk.heard for word in one.words if word.text in terms}

    def rank(one: Heard) -> tuple[int, int]:
        return len(wanted & one.stems), one.said.sequence_number

    if not wanted:
        newest = talk.questions[-1] if talk.questions else talk.heard[-1]
        return newest.said.sequence_number
    return max(talk.heard, key=rank).said.sequence_number
