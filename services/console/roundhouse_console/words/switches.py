"""Words of switches."""

from types import MappingProxyType
from typing import Final

__all__ = ["CHINESE"]

CHINESE: Final = MappingProxyType(
    {
        "Where memory does not do for all models at once, idle ones that are evictable make room.": (
            "内存不足以同时容纳所有模型时，可腾出的空闲模型会让出空间。"
        ),
        "Switch to a model": "切换到模型",
        "To": "切换到",
        "Progress": "进度",
        "Made room": "让出空间",
        "Began": "开始",
        "There were no switches yet. Switch to a model that has no room, and idle ones go to sleep for it.": (
            "还没有切换。切换到没有空间的模型时，空闲的模型会为它休眠。"
        ),
        "of another tenant": "其他租户的",
        "Steps": "步骤",
        "Call it off": "取消切换",
        "Switch to {name}": "切换到 {name}",
        "Time": "时间",
        "Close": "关闭",
        "No deployment runs. Deploy or start one first.": "没有正在运行的部署。请先部署或启动一个。",
        "Switch": "切换",
        "It is made ready now. Where memory is short, idle evictable deployments go to sleep for it.": (
            "现在就使它就绪。内存不足时，可腾出的空闲部署会为它休眠。"
        ),
        "Requests in flight are never cut off; a request wakes what went to sleep.": (
            "正在处理的请求不会中断；请求会唤醒休眠的部署。"
        ),
        "Switch to {name}?": "切换到 {name}？",
        "What has not happened yet does not happen: it goes back to sleep if it slept, and who has not gone stays.": (
            "尚未发生的不再发生：它若原本休眠则恢复休眠，尚未让出的保持不变。"
        ),
        "Call off the switch to {name}?": "取消切换到 {name}？",
        "Waiting": "等待中",
        "Making room": "腾出空间",
        "Starting": "启动中",
        "Ready": "就绪",
        "Failed": "失败",
        "Called off": "已取消",
        "Being called off": "正在取消",
    }
)
