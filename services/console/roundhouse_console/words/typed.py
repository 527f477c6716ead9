"""What people are told about what they typed, and when somebody else was there first."""

__all__ = ["CHINESE"]

CHINESE = {
    "Somebody else changed this since you opened it. Nothing was saved: load the page again, then change it.": (
        "在您打开之后，其他人更改了此内容。未保存任何内容：请重新加载页面后再更改。"
    ),
    "“{text}” is no size: write it as 8 GiB or 600 MiB.": "“{text}” 不是大小：请写成 8 GiB 或 600 MiB。",
    "“{line}” is no pattern; write name = expression, one a line.": (
        "“{line}” 不是模式；请每行写一个，格式为 名称 = 表达式。"
    ),
    "“{line}” is no rule; write group = tenant: role, role, one a line.": (
        "“{line}” 不是规则；请每行写一条，格式为 组 = 租户: 角色, 角色。"
    ),
    "There is no tenant “{tenant}”; there are {names}.": "没有租户“{tenant}”；现有：{names}。",
    "“{text}” is not JSON: {why}": "“{text}” 不是 JSON：{why}",
    'The JSON schema must be an object, e.g. {"type": "object"}.': (
        'JSON schema 必须是一个对象，例如 {"type": "object"}。'
    ),
    "The definitions of tools must be a JSON array of objects.": "工具定义必须是由对象组成的 JSON 数组。",
    "Every tool needs a function with a name.": "每个工具都需要一个有名称的函数。",
    "The template states {names}: give it another value, or choose no template.": (
        "模板已指定 {names}：请改用其他值，或不选择模板。"
    ),
    "“{line}” is no parameter: write one per line, as name=value.": (
        "“{line}” 不是参数：请每行写一个，格式为 名称=值。"
    ),
    "{name} is stated twice.": "{name} 重复指定。",
    "“{part}” is no label; write them as name=value, with commas between.": (
        "“{part}” 不是标签；请写成 名称=值，用逗号分隔。"
    ),
    "“{text}” is no number; write e.g. 100, 10k or 2M.": "“{text}” 不是数字；请写成例如 100、10k 或 2M。",
    "“{text}” is no number; write e.g. 250 or 12.50.": "“{text}” 不是数字；请写成例如 250 或 12.50。",
    "“{text}” is no such sum: from 0 to 9 000 000 000, with nine digits after the point at most.": (
        "“{text}” 不是有效金额：应在 0 到 9 000 000 000 之间，小数点后最多九位。"
    ),
    "At most 4 stop sequences, one a line.": "最多 4 个停止序列，每行一个。",
    "The weight {name}={text} is no whole number.": "权重 {name}={text} 不是整数。",
    "The body is no JSON: {why}.": "请求体不是 JSON：{why}。",
    "{name} says how the request travels and cannot be stated.": "{name} 由传输决定，不能指定。",
    "“{line}” is no header: names and values are printable ASCII.": (
        "“{line}” 不是请求头：名称和值只能是可打印的 ASCII 字符。"
    ),
    "“{line}” has no name: write one per line, with {sign} between name and value.": (
        "“{line}” 没有名称：请每行写一个，名称和值之间用 {sign}。"
    ),
    "“{path}” is no path: it begins with one / and has no spaces.": "“{path}” 不是路径：应以一个 / 开头且不含空格。",
}
