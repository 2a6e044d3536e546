"""What the dashboard shows, row by row: titles, units and PromQL. Data."""

from __future__ import annotations

from rag.telemetry.measures import NOT_OURS
from ui.operations.queries import SPAN, Panel, Query, mean, quantile, rate, spread, whole

_ANSWERS, _FAILURES = "surefoot_answers_total", "surefoot_failures_total"
_SENTENCES, _SHOWN = "surefoot_sentences_total", "surefoot_time_to_first_shown_seconds"
_HTTP, _TOKENS = "http_server_request_duration_seconds", "gen_ai_client_token_usage"
_PER_TOKEN, _MODEL = "gen_ai_server_time_per_output_token_seconds", "gen_ai_request_model"
_BAD = rate(_FAILURES, "", f'cause!~"{"|".join(NOT_OURS)}"')
_NOT_SUPPORTED = 'fate!="supported"'
_INPUT = 'gen_ai_token_type="input"'
_COST = rate("surefoot_cost_total", "currency")

TRAFFIC = (
    Panel(
        "Answers",
        "reqps",
        (Query(rate(_ANSWERS, "outcome"), "{{outcome}}"),),
        "How questions end.",
        stacked=True,
    ),
    Panel(
        "Success",
        "percentunit",
        (Query(f"1 - {_BAD} / ({rate(_ANSWERS)} + {_BAD})", "success"),),
        "Questions that ended in an answer, an honest I-don't-know or a refusal of harm.",
    ),
    Panel("Failures", "reqps", (Query(rate(_FAILURES, "cause"), "{{cause}}"),)),
    Panel(
        "HTTP requests",
        "reqps",
        (
            Query(
                whole(f"{_HTTP}_count", "http_route, http_response_status_code"),
                "{{http_route}} {{http_response_status_code}}",
            ),
        ),
    ),
    Panel(
        "Refused requests",
        "reqps",
        (Query(whole("surefoot_refusals_total", "why"), "{{why}}"),),
    ),
    Panel("Waiting requests", "short", (Query("surefoot_queue_depth", "waiting"),)),
    Panel(
        "Answer cache hits",
        "percentunit",
        (
            Query(
                f'sum(rate(surefoot_cache_lookups_total{{result="hit"}}[{SPAN}]))'
                f" / sum(rate(surefoot_cache_lookups_total[{SPAN}]))",
                "hits",
            ),
        ),
    ),
)
LATENCY = (
    Panel("First sentence shown", "s", spread(_SHOWN), "What a reader waits for."),
    Panel("First token", "s", spread("gen_ai_server_time_to_first_token_seconds")),
    Panel("Whole answer", "s", spread("gen_ai_server_request_duration_seconds")),
    Panel(
        "Mean time of stages",
        "s",
        (Query(mean("surefoot_stage_seconds", "stage"), "{{stage}}"),),
        stacked=True,
    ),
    Panel("Retrieval", "s", spread("surefoot_stage_seconds", 'stage="retrieve"')),
    Panel("Time per token", "s", spread(_PER_TOKEN)),
    Panel(
        "Tokens per second",
        "short",
        (
            Query(f"1 / ({mean(_PER_TOKEN)})", "of one answer"),
            Query(rate(f"{_TOKENS}_sum", "", 'gen_ai_token_type="output"'), "of the service"),
        ),
    ),
)
QUALITY = (
    Panel(
        "Unsupported sentences",
        "percentunit",
        (Query(f"{rate(_SENTENCES, '', _NOT_SUPPORTED)} / {rate(_SENTENCES)}", "unsupported"),),
        "Of what the model claims, the share that the passages do not support.",
    ),
    Panel("Sentences", "cps", (Query(rate(_SENTENCES, "fate"), "{{fate}}"),), stacked=True),
    Panel("Support of what is shown", "percentunit", spread("surefoot_sentence_support")),
    Panel(
        "Why not answered",
        "reqps",
        (Query(rate(_ANSWERS, "outcome, cause", 'outcome!="answered"'), "{{outcome}}: {{cause}}"),),
    ),
    Panel(
        "Retrieval results",
        "reqps",
        (Query(rate("surefoot_retrievals_total", "result"), "{{result}}"),),
        "near_miss: passages were found, and none was cited.",
        stacked=True,
    ),
    Panel(
        "Best passage and trust",
        "percentunit",
        (
            Query(mean("surefoot_retrieval_best_score"), "best passage"),
            Query(mean("surefoot_trust"), "trust"),
        ),
    ),
    Panel(
        "Guard findings",
        "cps",
        (
            Query(
                rate("surefoot_guard_findings_total", "stage, label, action", 'action!="keep"'),
                "{{stage}} {{label}} {{action}}",
            ),
        ),
    ),
    Panel(
        "Filter errors",
        "cps",
        (Query(rate("surefoot_filter_errors_total", "filter, kind"), "{{filter}} {{kind}}"),),
        "A filter that fails blocks the answer.",
    ),
    Panel(
        "Left out of prompts",
        "short",
        (Query(rate("surefoot_prompt_dropped_tokens_total", "why"), "{{why}} (tokens)"),),
    ),
    Panel(
        "Prompts cut",
        "reqps",
        (Query(rate("surefoot_prompt_truncations_total", "why"), "{{why}}"),),
    ),
)
COST = (
    Panel(
        "Tokens",
        "cps",
        (
            Query(
                rate(f"{_TOKENS}_sum", f"{_MODEL}, gen_ai_token_type"),
                "{{gen_ai_request_model}} {{gen_ai_token_type}}",
            ),
        ),
        stacked=True,
    ),
    Panel("Cost an hour", "short", (Query(f"{_COST} * 3600", "{{currency}}"),)),
    Panel(
        "Cost of 1,000 tokens",
        "short",
        (Query(f"1000 * {_COST} / on () group_left () {rate(f'{_TOKENS}_sum')}", "{{currency}}"),),
    ),
    Panel(
        "Prompt tokens read before",
        "percentunit",
        (
            Query(
                f"{rate('surefoot_prompt_cached_tokens_total')}"
                f" / {rate(f'{_TOKENS}_sum', '', _INPUT)}",
                "from the engine's cache",
            ),
        ),
    ),
)
RESOURCES = (
    Panel(
        "Memory",
        "bytes",
        (
            Query("process_resident_memory_bytes", "this process"),
            Query("surefoot_memory_available_bytes", "left ({{store}})"),
            Query("surefoot_memory_limit_bytes", "limit ({{store}})"),
        ),
    ),
    Panel(
        "Memory left",
        "percentunit",
        (Query("surefoot_memory_available_bytes / surefoot_memory_limit_bytes", "{{store}}"),),
    ),
    Panel("Processors", "short", (Query(f"rate(process_cpu_seconds_total[{SPAN}])", "in use"),)),
    Panel(
        "Index",
        "short",
        (
            Query("surefoot_index_chunks", "chunks"),
            Query("surefoot_index_documents", "documents"),
            Query("surefoot_index_generation", "generation"),
        ),
    ),
    Panel("Open files", "short", (Query("process_open_fds", "open"),)),
    Panel(
        "Events not counted",
        "cps",
        (Query(f"rate(surefoot_telemetry_errors_total[{SPAN}])", "lost"),),
    ),
    Panel("Version", "short", (Query("surefoot_build_info", "{{version}}"),)),
)
CANARY = (
    Panel(
        "Share of conversations", "percentunit", (Query("surefoot_release_share", "{{variant}}"),)
    ),
    Panel(
        "State",
        "short",
        (Query("surefoot_release_state == 1", "{{variant}}: {{state}}"),),
    ),
    Panel(
        "Answers by variant",
        "reqps",
        (Query(rate("surefoot_answers_total", "variant, role"), "{{variant}} ({{role}})"),),
    ),
    Panel(
        "Failures by variant",
        "reqps",
        (Query(rate("surefoot_failures_total", "variant"), "{{variant}}"),),
    ),
    Panel(
        "Unsupported by variant",
        "percentunit",
        (
            Query(
                rate(_SENTENCES, "variant", 'fate!="supported"')
                + " / "
                + rate(_SENTENCES, "variant"),
                "{{variant}}",
            ),
        ),
    ),
    Panel(
        "Whole answer by variant, 95 %",
        "s",
        (
            Query(
                quantile(0.95, "gen_ai_server_request_duration_seconds", "variant"), "{{variant}}"
            ),
        ),
    ),
    Panel(
        "Support by variant",
        "percentunit",
        (Query(mean("surefoot_sentence_support", "variant"), "{{variant}}"),),
    ),
)
