"""Nodes and devices."""

__all__ = ["CHINESE", "FROM_SERVICES"]

CHINESE = {
    "Nodes": "节点",
    "The machines that run engines, and their devices.": "运行引擎的机器及其设备。",
    "Engines": "引擎",
    "Model files": "模型文件",
    "Join a node": "加入节点",
    "Nodes ready": "就绪节点",
    "Devices in use": "使用中的设备",
    "Map": "地图",
    "All nodes": "所有节点",
    "Condition": "状况",
    "Region": "区域",
    "Zone": "可用区",
    "Devices": "设备",
    "No region": "无区域",
    "CPU": "CPU",
    "CPU only": "仅 CPU",
    "No node has joined yet.": "还没有节点加入。",
    "Make a token": "生成令牌",
    "The token is good for one node and one use. Run the command it comes with on that host.": (
        "令牌只能用于一个节点且只能使用一次。请在该主机上运行随附的命令。"
    ),
    "none": "无",
    "Labels": "标签",
    "Good for": "有效期",
    "Run this on the other host. The token is shown only now.": "请在另一台主机上运行此命令。令牌仅此时显示。",
    "Only this host can reach the platform: start it with --listen to let others join.": (
        "目前只有本机可以访问平台：请使用 --listen 启动以允许其他主机加入。"
    ),
    "What runs here": "正在运行的内容",
    "{left|replica is|replicas are} still to go.": "还有 {left} 个副本待迁移。",
    "{free} of {total} free": "可用 {free}，共 {total}",
    "Agent": "代理",
    "Last heard": "最近心跳",
    "Device": "设备",
    "Health": "健康",
    "Utilisation": "利用率",
    "Temperature": "温度",
    "Power": "功率",
    "Release from quarantine": "解除隔离",
    "Quarantine": "隔离",
    "quarantined": "已隔离",
    "Nothing runs here.": "这里没有运行任何内容。",
    "Let in": "批准",
    "{name} is let in.": "已批准 {name}。",
    "Cordon": "停止调度",
    "Nothing new is placed on it.": "不会再向其放置新的副本。",
    "Drain": "排空",
    "Uncordon": "恢复调度",
    "It takes replicas again.": "重新接受副本。",
    "Remove": "移除",
    "{count|replica runs|replicas run} here. They are replaced elsewhere first, finish what they answer, and end.": (
        "这里运行着 {count} 个副本，它们会先在其他节点上替换，完成当前回答后结束。"
    ),
    "Nothing new is placed on the node until it is uncordoned.": "恢复调度之前，不会向该节点放置新的副本。",
    "Drain {name}?": "排空 {name}？",
    "{name} is being drained.": "{name} 正在排空。",
    "The node's credentials are void at once, and the engines on it are stopped.": (
        "节点的凭据立即失效，其上的引擎会停止。"
    ),
    "{count|replica runs here; it is|replicas run here; they are} placed elsewhere where there is room.": (
        "这里运行着 {count} 个副本；有空间时会放置到其他节点。"
    ),
    "To come back it must join anew.": "若要恢复，必须重新加入。",
    "Remove {name}?": "移除 {name}？",
    "{name} is removed.": "{name} 已移除。",
    "Where {name} is": "{name} 的位置",
    "Save": "保存",
    "Quarantine a device of {name}": "隔离 {name} 的设备",
    "Nothing new is placed on it; what runs on it goes on until it is moved.": (
        "不会再向其放置新内容；已在运行的内容会继续，直到被迁移。"
    ),
    "Reason": "原因",
}

FROM_SERVICES = {
    "ready": "就绪",
    "cordoned": "已停止调度",
    "draining": "排空中",
    "maintenance": "维护中",
    "shutting-down": "正在关机",
    "late": "心跳迟到",
    "unreachable": "失联",
    "pending-approval": "待批准",
    "unknown": "未知",
    "removed": "已移除",
    "ok": "正常",
    "degraded": "性能下降",
    "failed": "故障",
}
