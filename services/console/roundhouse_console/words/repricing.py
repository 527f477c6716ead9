"""Words of pricing a period again."""

from types import MappingProxyType
from typing import Final

__all__ = ["CHINESE"]

CHINESE: Final = MappingProxyType(
    {
        "Price again": "重新计价",
        "Requests get the prices that are known now for their time. What differs becomes a correction.": (
            "请求按其时间现已知的价格重新计价。差额成为更正。"
        ),
        "Which requests": "哪些请求",
        "From": "从",
        "To, that day too": "到（含当天）",
        "Why; it stays with the corrections": "原因；会与更正一起保留",
        "Show what would change": "显示将会改变什么",
        "What would change": "将会改变",
        "State both days.": "请填写两个日期。",
        "Say why: it stays with the corrections.": "请说明原因：它会与更正一起保留。",
        "Nothing would change.": "不会有任何改变。",
        "{count|request gets|requests get} a correction.": "{count} 个请求会得到更正。",
        "The difference in all: {sum}": "总差额：{sum}",
        "The ledger stays as it is; corrections cannot be taken back, only corrected again.": (
            "账本保持不变；更正不能撤回，只能再次更正。"
        ),
        "Make the corrections?": "进行更正？",
        "Correct": "更正",
        "What was changed": "已改变",
        "{count|correction is|corrections are} made.": "已完成 {count} 项更正。",
        "Make the corrections": "进行更正",
        "Stopped on the way: corrections that are made stay. {count} are.": (
            "中途停止：已完成的更正保留，共 {count} 项。"
        ),
        "Looking at the requests…": "正在查看请求…",
        "Looked at so far: {total}": "已查看：{total}",
        "Looked at": "已查看",
        "Change": "改变",
        "Had no price": "此前无价格",
        "Still without one": "仍无价格",
        "Difference": "差额",
        "Differences by model": "按模型的差额",
    }
)
