import ast
import sys
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.expression import (
    FUNCTIONS,
    MAX_NESTING,
    NAMES,
    NODES,
    OPERATORS,
    ExpressionError,
    names_in,
    parse_expression,
)


def problems(text: str) -> list[str]:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    return caught.value.problems


# The text, and what its only problem must say.
WRONG = {
    "": ["is empty"],
    " \n ": ["is empty"],
    "quality +": ["at its end: something is missing"],
    "  quality if 1 else ": ["at its end: something is missing"],
    "  max(1 2, quality)": ["at character 7", "syntax"],
    "(quality": ["at character 1", "'(' was never closed"],
    "quality)": ["at character 8", "unmatched ')'"],
    "quality cost_usd": ["at character", "syntax"],
    "quality = 1": ["at character 9", "equality is written =="],
    "log(quality, base=2)": ["at character 18", "equality is written =="],
    "quality < > 1": ["at character 11", "syntax"],
    "qualty": ["at character 1", "'qualty' is not a name", "did you mean 'quality'?"],
    "1 - Quality": ["at character 5", "'Quality' is not a name", "did you mean 'quality'?"],
    "1 - cost": ["at character 5", "'cost' is not a name", "did you mean 'cost_usd'?"],
    "1 +\n  zebra": ["at character 7", "'zebra' is not a name", "known are quality, cost_usd"],
    "  zebra": ["at character 3", "'zebra'"],
    "maxi(quality, 1)": ["at character 1", "'maxi' is not a function", "did you mean 'max'?"],
    "eval(quality)": ["at character 1", "'eval' is not a function", "known are min, max, abs"],
    "__import__(quality)": ["'__import__' is not a function"],
    "pow(quality, 2)": ["'pow' is not a function"],
    "rand() * quality": ["'rand' is not a function"],
    "min * quality": ["at character 1", "min is a function; write min(...)"],
    "quality(2)": ["quality is not a function", "*"],
    "2 (quality)": ["at character 1", "only a function can be called", "*"],
    "(min)(quality)(1)": ["only a function can be called"],
    "sqrt(quality, 2)": ["at character 1", "sqrt takes 1 argument, found 2"],
    "clip(quality)": ["clip takes 3 arguments, found 1"],
    "min(quality)": ["min takes at least 2 arguments, found 1"],
    "either(quality)": ["either takes at least 2 arguments, found 1"],
    "max(**quality)": ["max takes its arguments by their order"],
    "quality // 2": ["at character 1", "'//' is not allowed", "+ - * / **"],
    "quality << 2": ["'<<' is not allowed"],
    "quality >> 2": ["'>>' is not allowed"],
    "quality is 1": ["'is' is not allowed"],
    "quality is not 1": ["'is not' is not allowed"],
    "1 in (quality)": ["'in' is not allowed"],
    "1 not in (quality)": ["'not in' is not allowed"],
    "quality, 1": ["at character 1", "a list of values is not allowed"],
    "()+quality": ["a list of values is not allowed"],
    "min(*quality, 1, 2)": ["at character 5", "unpacking is not allowed"],
    "max(quality, (quality for quality in quality))": ["at character 14", "a loop is not"],
    "(yield quality)": ["yield is not allowed"],
    "await quality": ["at character 1", "await is not allowed"],
    "quality if True else 0": ["at character 12", "True is not a number; true is 1"],
    "None * quality": ["None is not a number"],
    "1e999 * quality": ["at character 1", "the number is too large"],
    "9" * 999: ["at character 1", "the number is too large"],
    "0x10 * quality": ["at character 1", "'0x10' is neither a number nor a name"],
    "1_000 * quality": ["'1_000' is neither"],
    "2j * quality": ["'2j' is neither"],
    "1.2.3 * quality": ["'1.2.3' is neither"],
    "quality + 3if quality else 1": ["at character 11", "'3if' is neither"],
    "1 + 007 * quality": ["at character 5", "'007' is neither"],
    "quality.real": ["at character 8", "'.' has no meaning here", "no attributes"],
    "quality ^ 2": ["at character 9", "'^' has no meaning here", "a power is written **"],
    "quality % 2": ["'%' has no meaning here"],
    "'a' * 9": ["at character 1", "has no meaning here; there is no text"],
    'quality + "a"': ["at character 11", "there is no text"],
    "quality[0]": ["at character 8", "'[' has no meaning"],
    "{quality}": ["'{' has no meaning"],
    "lambda: quality": ["at character 7", "':' has no meaning"],
    "(quality := 1)": ["at character 10", "':' has no meaning", "nothing can be assigned"],
    "quality # mine": ["at character 9", "'#' has no meaning"],
    "quality; quality": ["';' has no meaning"],
    "~quality": ["at character 1", "'~' has no meaning"],
    "quality & 1": ["'&' has no meaning here; write and"],
    "!quality": ["'!' has no meaning here; write not"],
    "\N{MATHEMATICAL BOLD SMALL Q}uality": ["at character 1", "has no meaning"],
    "qualité": ["at character 7", "'é' has no meaning"],
    "quality\0": ["at character 8", "has no meaning"],
    "quality\\\n+1": ["at character 8", "has no meaning"],
    "0.5": ["uses nothing of an outcome"],
    "min(1, 2)": ["uses nothing of an outcome"],
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_expression_says_where_and_what(text: str) -> None:
    (problem,) = problems(text)
    for part in WRONG[text]:
        assert part in problem


def test_all_problems_are_told_up_to_what_a_person_reads() -> None:
    first, second, third, fourth = problems("qualty + latncy_ms // sqr(1)")
    assert "at character 1: 'qualty'" in first
    assert "at character 10: '//' is not allowed" in second
    assert "at character 10: 'latncy_ms'" in third
    assert "at character 23: 'sqr'" in fourth
    assert len(problems("+".join(f"x{index}" for index in range(40)))) == 8


DEEP = {
    "brackets": "(" * 400 + "quality" + ")" * 400,
    "open brackets": "(" * 999,
    "signs": "-" * 990 + "quality",
    "not": "not " * 240 + "quality",
    "sum": "1+" * 490 + "quality",
    "powers": "1**" * 330 + "quality",
    "choices": "1 if quality else " * 54 + "(1 if 1 else " * 20 + "1" + ")" * 20,
    "calls": "abs(" * 240 + "quality",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_deep_expressions_are_refused_whatever_the_caller_s_stack(text: str) -> None:
    def deep(levels: int) -> list[str]:
        return problems(text) if levels == 0 else deep(levels - 1)

    assert len(text) <= 1_000 or text == DEEP["choices"]
    (problem,) = problems(text)
    assert f"nested deeper than {MAX_NESTING} levels" in problem
    assert deep(400) == [problem]


def test_expressions_at_the_limit_are_accepted() -> None:
    for text in (
        "(" * MAX_NESTING + "quality" + ")" * MAX_NESTING,
        "abs(" * (MAX_NESTING - 1) + "quality" + ")" * (MAX_NESTING - 1),
        "-" * (MAX_NESTING - 1) + "quality",
        "1+" * (MAX_NESTING - 1) + "quality",
        "not " * (MAX_NESTING - 1) + "quality",
    ):
        parse_expression(text)
    for text in (
        "(" * (MAX_NESTING + 1) + "quality" + ")" * (MAX_NESTING + 1),
        "abs(" * MAX_NESTING + "quality" + ")" * MAX_NESTING,
        "-" * MAX_NESTING + "quality",
        "1+" * MAX_NESTING + "quality",
    ):
        assert "nested deeper" in problems(text)[0]


def test_names_are_told_apart_from_functions() -> None:
    tree = parse_expression("max(quality, 1) - either(retried, 0) * quality")
    assert names_in(tree) == {"quality", "retried"}
    assert not set(NAMES) & set(FUNCTIONS)


NOT_OURS = (
    "x is in for lambda yield await async True None class __class__ 0x1 9j 00 // = << ' [ ] . := : "
    "@ % é \0 \\ # ;"
)
OURS = "not and or if else 1 2.5 1e9 .5 + - * / ** < <= == != ( ) ,"
words = st.sampled_from([*NAMES, *FUNCTIONS, *OURS.split(), *NOT_OURS.split(" "), "\n", "\t"])


@given(
    st.lists(words, max_size=14).flatmap(
        lambda chosen: st.sampled_from(["", " "]).map(lambda gap: gap.join(chosen))
    )
    | st.text(max_size=40)
)
def test_what_is_accepted_is_made_of_what_is_allowed_alone(text: str) -> None:
    with warnings.catch_warnings():
        # Python warns of doubtful spellings; an expression that has one must be refused.
        warnings.simplefilter("error")
        try:
            tree = parse_expression(text)
        except ExpressionError:
            return
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        assert isinstance(node, (*NODES, *OPERATORS, ast.Load))
        if isinstance(node, ast.Constant):
            assert type(node.value) is float
        if isinstance(node, ast.Name):
            assert node.id in (FUNCTIONS if id(node) in functions else NAMES)


def test_the_limit_is_far_from_the_interpreter_s() -> None:
    assert sys.getrecursionlimit() > 8 * MAX_NESTING
