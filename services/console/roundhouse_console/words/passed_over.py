"""Words of endpoints that are passed over and of the cache of answers."""

from types import MappingProxyType
from typing import Final

__all__ = ["CHINESE", "FROM_SERVICES"]

CHINESE: Final = MappingProxyType(
    {
        "Passed over": "被跳过的端点",
        "Endpoint": "端点",
        "Until": "直到",
        "Ejections lately": "近期驱逐次数",
        "Router": "路由器",
        "None: requests go to every endpoint.": "没有：请求会发往每个端点。",
        "in {span}": "{span} 后",
        "now": "现在",
        "Cache of answers": "回答缓存",
        "Routes with a cache give an answer again to an equal request of the same tenant.": (
            "启用缓存的路由会把回答再次给予同一租户的相同请求。"
        ),
        "Forget all answers": "清除所有回答",
        "Answers kept": "已缓存的回答",
        "where they are kept is away": "存储处无法访问",
        "in Redis, for all routers": "在 Redis 中，所有路由器共用",
        "in each router": "在每个路由器中",
        "Where": "位置",
        "Routers": "路由器",
        "Every kept answer of {tenant} goes, on all routers.": "{tenant} 的所有缓存回答都会在全部路由器上清除。",
        "The next equal requests are work for the engines again; nothing else changes.": (
            "之后的相同请求将重新由引擎处理；其他不变。"
        ),
        "Forget all answers?": "清除所有回答？",
        "Forget": "清除",
        "{count|router|routers} could not: their store is away.": "{count} 个路由器未能清除：其存储无法访问。",
        "{count|answer is|answers are} forgotten.": "已清除 {count} 个回答。",
    }
)
FROM_SERVICES: Final = MappingProxyType(
    {
        "Ejected": "已驱逐",
        "On probation": "试用中",
        "Rests": "休息中",
        "It had too many requests": "请求过多",
        "It fails more often than the others": "失败率高于其他端点",
        "Another router has ejected it": "另一路由器已驱逐它",
        "No connection": "无法连接",
        "No answer in time": "未及时回答",
        "It hung up without an answer": "未回答就断开",
        "It broke off": "中途断开",
        "An error in its stream": "流中出现错误",
        "It ended without a word": "没有内容就结束",
        "It answered with {what}": "它回答了 {what}",
        "It failed: {what}": "失败：{what}",
    }
)
