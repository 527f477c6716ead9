"""The first run."""

__all__ = ["CHINESE"]

CHINESE = {
    "Welcome": "欢迎",
    "Three steps to a first answer.": "三步获得第一个回答。",
    "The machines": "机器",
    "A first model": "第一个模型",
    "A first message": "第一条消息",
    "{count|node|nodes}, {devices|device|devices}, {memory} of memory": (
        "{count} 个节点，{devices} 个设备，{memory} 内存"
    ),
    "The marketplace has no model yet that fits. Add one from a hub or upload a file.": (
        "模型市场中还没有合适的模型。请从模型库添加或上传文件。"
    ),
    "These fit into the free memory, the smallest first:": "以下模型适合可用内存，按大小排列：",
    "As soon as a model runs, ask it something.": "模型运行后即可提问。",
    "Say hello": "打个招呼",
    "First steps": "入门",
}
