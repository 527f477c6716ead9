"""Words of dead letters."""

from types import MappingProxyType
from typing import Final

__all__ = ["CHINESE"]

CHINESE: Final = MappingProxyType(
    {
        "Dead letters": "死信",
        "Dead letter": "死信",
        "Messages that a service gave up on. They wait here for 90 days; nothing else waits for them.": (
            "服务放弃处理的消息。它们在此保留 90 天；其他内容不会等待它们。"
        ),
        "The {service} service": "{service} 服务",
        "Process all again": "全部重新处理",
        "It was processed.": "已处理。",
        "Message": "消息",
        "Why": "原因",
        "Tries": "尝试次数",
        "There are none: every message was processed.": "没有死信：所有消息都已处理。",
        "{count|message is|messages are} processed again, one after the other, the oldest first.": (
            "{count} 条消息将依次重新处理，最早的优先。"
        ),
        "Process all again?": "全部重新处理？",
        "Process": "处理",
        "Show": "查看",
        "Process again": "重新处理",
        "Subject": "主题",
        "Consumer": "消费者",
        "Given up": "放弃时间",
        "Place in the stream": "在流中的位置",
        "Processed: {done} of {all}.": "已处理：{done} / {all}。",
    }
)
