"""Runs in an environment that has the engines, not in the project's: hands commands to their own argument parsers.

    python real_parsers.py ENGINE COMMANDS.json
    python real_parsers.py ENGINE

COMMANDS.json is an object of argument lists by name; what is refused is printed as an object of reasons by name.
Without it, the names of the engine's parsers of tool calls and of reasoning are printed.
"""

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

Parse = Callable[[list[str]], object]


def _vllm() -> Parse:
    arguments = import_module("vllm.entrypoints.launchers.cli_args")
    parser = import_module("vllm.utils.argparse_utils").FlexibleArgumentParser

    def parse(argv: list[str]) -> object:
        options = arguments.make_arg_parser(parser(prog="vllm serve")).parse_args(argv)
        return arguments.validate_parsed_serve_args(options)

    return parse


def _sglang() -> Parse:
    arguments = import_module("sglang.srt.server_args").ServerArgs

    def parse(argv: list[str]) -> object:
        parser = argparse.ArgumentParser(prog="sglang")
        arguments.add_cli_args(parser)
        return parser.parse_args(argv)

    return parse


def _lmdeploy() -> Parse:
    cli = import_module("lmdeploy.cli.cli").CLI
    cli.add_parsers()
    import_module("lmdeploy.cli.serve").SubCliServe.add_parsers()
    return lambda argv: cli.parser.parse_args(argv)


def _transformers() -> Parse:
    commands = import_module("transformers.cli.transformers").app.commands
    return lambda argv: commands[argv[0]].make_context(argv[0], argv[1:])


def _vllm_names() -> tuple[list[str], list[str]]:
    tools = import_module("vllm.tool_parsers").ToolParserManager
    return tools.list_registered(), import_module("vllm.reasoning").ReasoningParserManager.list_registered()


def _sglang_names() -> tuple[list[str], list[str]]:
    arguments = import_module("sglang.srt.server_args")
    return arguments._tool_call_parser_choices(), arguments._reasoning_parser_choices()


def _lmdeploy_names() -> tuple[list[str], list[str]]:
    reasoning = import_module("lmdeploy.serve.parsers.reasoning_parser")
    tools = import_module("lmdeploy.serve.parsers.tool_parser").ToolParserManager
    return list(tools.module_dict), [
        *reasoning.ReasoningParserManager.module_dict,
        *reasoning.LEGACY_REASONING_PARSER_NAMES,
    ]


_NAMES = {"vllm": _vllm_names, "sglang": _sglang_names, "lmdeploy": _lmdeploy_names}
_PARSERS = {"vllm": _vllm, "sglang": _sglang, "lmdeploy": _lmdeploy, "transformers": _transformers}


def main(engine: str, path: str) -> None:
    parse = _PARSERS[engine]()
    refused = {}
    for name, argv in json.loads(Path(path).read_text()).items():
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                parse(argv)
        except SystemExit as error:
            refused[name] = f"{error.code}: {said.getvalue()[-500:]}"
        except Exception as error:  # noqa: BLE001 - whatever a parser raises is its refusal
            refused[name] = repr(error)
    print(json.dumps({"refused": refused}))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        main(sys.argv[1], sys.argv[2])
    else:
        found_tools, found_reasoning = _NAMES[sys.argv[1]]()
        print(json.dumps({"tools": sorted(found_tools), "reasoning": sorted(found_reasoning)}))
