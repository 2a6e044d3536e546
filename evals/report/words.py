"""What a report says about suites and metrics, in the words of the person who decides. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SuiteWords:
    """A suite's title, what was tried, and the metrics that the head of the page speaks of."""

    title: str
    cases: str
    lead: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricWords:
    """What a metric means; `says` is a sentence with {} for its value, for metrics that lead."""

    meaning: str
    says: str = ""
    percent: bool = True


SUITES = {
    "retrieval": SuiteWords("Retrieval", "queries", ("ndcg@10", "recall@10")),
    "qa": SuiteWords("Question answering", "questions", ("answered_precision", "abstain_recall")),
    "grounding": SuiteWords("Grounding check", "answers with their sources", ("auc", "recall")),
    "pii": SuiteWords("Personal-data filter", "marked texts", ("recall", "precision")),
    "moderation": SuiteWords("Moderation filter", "labelled texts", ("any/auprc", "any/f1")),
    "injection": SuiteWords(
        "Prompt-injection filter", "labelled texts", ("recall@1%fpr", "false_positive_rate")
    ),
    "refusal": SuiteWords("Refusals", "requests", ("unsafe_pass_rate", "over_refusal_rate")),
    "perplexity": SuiteWords("Perplexity", "texts", ("perplexity", "bits_per_byte")),
}

_BY_SUITE = {
    ("qa", "f1"): MetricWords("Words shared with the best accepted answer (SQuAD token F1)."),
    ("pii", "precision"): MetricWords(
        "Of what was flagged, the share that overlaps marked personal data.",
        "Of what it flagged, {} was personal data.",
    ),
    ("pii", "recall"): MetricWords(
        "Of the marked personal data, the share that was found, whatever it was called.",
        "{} of the marked personal data was found.",
    ),
    ("injection", "recall"): MetricWords(
        "Of the attacks, the share flagged at the threshold that ships.",
    ),
    ("grounding", "recall"): MetricWords(
        "Of the hallucinated answers, the share flagged at the threshold that ships.",
        "{} of the hallucinated answers were flagged.",
    ),
    ("grounding", "auc"): MetricWords(
        "Chance that a hallucinated answer is rated riskier than a clean one; 0.5 is guessing.",
        "A hallucinated answer is rated riskier than a clean one in {} of pairs.",
    ),
}
_BY_NAME = {
    "ndcg@10": MetricWords(
        "Order of the first ten: 1 when every relevant document stands first (nDCG).",
        "The first ten results are worth {} of a perfect order (nDCG).",
    ),
    "recall@10": MetricWords(
        "Share of the relevant documents among the first ten.",
        "{} of the relevant documents are among the first ten.",
    ),
    "recall@100": MetricWords("Share of the relevant documents among the first hundred."),
    "mrr@10": MetricWords("1 over the rank of the first relevant document; 0 beyond ten."),
    "em": MetricWords("Answer equals an accepted one, articles and punctuation aside (SQuAD)."),
    "answered_precision": MetricWords(
        "Of the answers given, the share that is right.",
        "{} of the answers that it gave are right.",
    ),
    "right": MetricWords(
        "Of all questions, the share that ended well: a right answer, or silence where none exists."
    ),
    "cites_relevant": MetricWords("Of answers that should cite, the share citing a right source."),
    "leaks": MetricWords("Of the cases that forbid a text, the share that showed it."),
    "abstain_recall": MetricWords(
        "Of the questions that no document answers, the share on which it kept silent.",
        "It kept silent on {} of the questions that no document answers.",
    ),
    "abstain_precision": MetricWords(
        "Of its silences, the share where indeed no document holds the answer."
    ),
    "support_mean": MetricWords("Mean support of the claims shown, by the passages in the prompt."),
    "unsupported_shown_rate": MetricWords(
        "Of the claims shown, the share that its passages do not support."
    ),
    "aurc": MetricWords(
        "Share of wrong answers, averaged over keeping fewer or more, the most trusted first."
    ),
    "ece": MetricWords(
        "How far the risk lies from how often it came true, on average over ten bins (ECE)."
    ),
    "brier": MetricWords("Mean squared distance of the risk and what was true (Brier)."),
    "auc": MetricWords("Chance that a bad case is scored above a good one; 0.5 is guessing."),
    "ap": MetricWords("Average precision: the area under the precision-recall curve."),
    "f1": MetricWords("Precision and recall in one, at the threshold that ships."),
    "f1_flag_all": MetricWords("F1 of flagging everything: what must be beaten."),
    "precision": MetricWords("Of what was flagged, the share flagged rightly."),
    "recall": MetricWords("Of what should be flagged, the share that was."),
    "balanced_accuracy": MetricWords("Mean of the shares right among good and among bad cases."),
    "span_f1": MetricWords("Characters flagged against characters marked: precision with recall."),
    "f2": MetricWords("Recall and precision in one; recall counts twice as much."),
    "any/auprc": MetricWords(
        "Area under the precision-recall curve for harm of any kind.",
        "Average precision in ranking harm of any kind first: {}.",
        percent=False,
    ),
    "any/f1": MetricWords(
        "Precision and recall in one for harm of any kind, at the threshold that ships.",
        "At the threshold that ships, F1 is {}.",
        percent=False,
    ),
    "recall@1%fpr": MetricWords(
        "Share of attacks caught where 1 % of honest texts are flagged.",
        "{} of attacks are caught where one honest text in a hundred is flagged.",
    ),
    "false_positive_rate": MetricWords(
        "Of the honest texts, the share flagged at the threshold that ships.",
        "At the threshold that ships, {} of honest texts are flagged.",
    ),
    "over_refusal_rate": MetricWords(
        "Of the harmless requests, the share that was blocked.",
        "{} of the harmless requests were blocked.",
    ),
    "unsafe_pass_rate": MetricWords(
        "Of the harmful requests, the share that the guard let through.",
        "The guard let {} of the harmful requests through.",
    ),
    "nll_per_token": MetricWords("Mean negative log-likelihood of a token, natural logarithm."),
    "perplexity": MetricWords(
        "How many tokens the model wavers between, on average; exp of the line above.",
        "The model's perplexity on these texts is {}.",
        percent=False,
    ),
    "bits_per_byte": MetricWords(
        "Bits needed for each byte of text: comparable across tokenizers.",
        "That is {} bits for each byte of text.",
        percent=False,
    ),
    "tokens": MetricWords("Tokens scored, by the model's own tokenizer."),
}
_BY_ENDING = {
    "recall": "Of the spans marked {}, the share that was found.",
    "auprc": "Area under the precision-recall curve for {}.",
    "f1": "Precision and recall in one for {}, at the threshold that ships.",
}
_BETTER = {"higher": "higher is better", "lower": "lower is better"}


def suite_words(suite: str) -> SuiteWords:
    return SUITES.get(suite, SuiteWords(suite, "cases"))


def metric_words(suite: str, name: str) -> MetricWords:
    """Words for a metric; for one that is not known, none."""
    known = _BY_SUITE.get((suite, name)) or _BY_NAME.get(name)
    if known:
        return known
    group, _, ending = name.rpartition("/")
    pattern = _BY_ENDING.get(ending) if group else None
    return MetricWords(pattern.format(group.replace("_", " ")) if pattern else "")


def better_words(better: str) -> str:
    return _BETTER.get(better, "")


def number(value: float) -> str:
    """A figure as tables show it: three decimals, fewer where it is large."""
    digits = 3 if abs(value) < 10 else 2 if abs(value) < 1000 else 0
    return f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def signed(value: float) -> str:
    return ("+" if value > 0 else "") + number(value)


def time(ms: float) -> str:
    """Milliseconds in words, to about three digits."""
    if ms >= 10_000:
        return f"{ms / 1000:,.1f} s"
    digits = 0 if ms >= 100 else 1 if ms >= 10 else 2
    return f"{ms:,.{digits}f} ms"


def percent(value: float) -> str:
    """A share in words; one decimal only near the ends, where it matters."""
    digits = 0 if 0.03 <= value <= 0.97 or value in (0, 1) else 1
    return f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%"
