"""The marketplace."""

__all__ = ["CHINESE", "FROM_SERVICES"]

CHINESE = {
    "Marketplace": "模型广场",
    "Model": "模型",
    "Models to try and to deploy.": "可试用、可部署的模型。",
    "{shown} of {all|model|models}": "{all} 个模型中的 {shown} 个",
    "No model is like that. Take a filter away.": "没有符合条件的模型，请减少筛选条件。",
    "There are no models yet. Add one by its address, its path, or from a file of yours.": (
        "还没有模型。请通过地址、路径或您自己的文件添加一个。"
    ),
    "No model is published yet. Ask those who run this platform.": "还没有发布的模型。请联系平台管理人员。",
    "Search models": "搜索模型",
    "Kind": "类型",
    "Parameters": "参数量",
    "Licence": "许可证",
    "Tag": "标签",
    "Source": "来源",
    "Published": "已发布",
    "Not published": "未发布",
    "Fits on this cluster": "本集群放得下",
    "Ready to try": "可立即试用",
    "Context": "上下文",
    "Weights": "权重",
    "Files": "文件",
    "licence not stated": "未说明许可证",
    "Trial": "试用",
    "Deployed": "已部署",
    "Everybody may try it without deploying it.": "所有人无需部署即可试用。",
    "Users do not see it.": "用户看不到它。",
    "No node has so much memory free as its weights take.": "没有节点的空闲内存放得下它的权重。",
    "Does not fit now": "目前放不下",
    "Try": "试用",
    "Deploy": "部署",
    "needs at least {need}; {free} free on one node": "至少需要 {need}；单个节点最多空闲 {free}",
    "What it is": "模型概况",
    "A node reads its files…": "节点正在读取其文件……",
    "Its files have not been read yet, so little is known of it.": ("还没有节点读取过该模型的文件，因此所知甚少。"),
    "Architecture": "架构",
    "{count|token|tokens}": "{count} 个 token",
    "Layers": "层数",
    "Attention heads": "注意力头",
    "{heads}, {kv} for keys and values": "{heads} 个，其中键值 {kv} 个",
    "Experts": "专家",
    "{count} at once": "同时 {count} 个",
    "Vocabulary": "词表",
    "Address": "地址",
    "Revision": "版本",
    "Memory of one replica": "单个副本的内存",
    "Weights, cache of the context, and what the engine itself takes; without devices, of the host.": (
        "包括权重、上下文缓存和引擎自身开销；无设备时为主机内存。"
    ),
    "Context of a request": "每个请求的上下文",
    "As stated for the model.": "按模型所声明的值。",
    "{weights} weights, {cache} cache, {rest} for the engine": "权重 {weights}，缓存 {cache}，引擎 {rest}",
    "Variants": "变体",
    "Of the same source, or the same network with other weights.": "来源相同，或网络结构相同而权重格式不同。",
    "What callers get unless they say otherwise": "调用方未指定时的默认值",
    "System message": "系统消息",
    "Chat template": "对话模板",
    "Wanted": "应运行",
    "Call it from a program": "在程序中调用",
    "Nothing serves this model yet. Deploy it; the deployment's name is what programs send as `model`.": (
        "还没有部署提供该模型。请先部署；程序以部署的名称作为 `model` 发送。"
    ),
    "one of your API keys": "您的一个 API 密钥",
    "Any of your keys": "您的任一密钥",
    "set {variable} to the secret of {key}": "将 {variable} 设为 {key} 的密钥内容",
    "Add a model": "添加模型",
    "Choose files, or drop them here": "选择文件，或将文件拖放到此处",
    "reading": "读取中",
    "sending": "上传中",
    "there": "已上传",
    "It is yours to see until you publish it.": "发布之前只有管理模型的人能看到它。",
    "A node reads what the files say; that may take 40 seconds…": "节点正在读取文件信息，最多可能需要 40 秒……",
    "{name} is added.": "{name} 已添加。",
    "Given up.": "已取消。",
    "Where its files are": "文件所在位置",
    "Reading the files for their digests: {percent} %": "正在读取文件以计算校验和：{percent} %",
    "Sending the files: {percent} %": "正在发送文件：{percent} %",
    "Sent: {percent} %. The catalog compares what came with its digest…": (
        "已发送 {percent} %，模型目录正在核对校验和……"
    ),
    "being checked": "正在核对",
    "Tags": "标签",
    "Context in tokens": "上下文 token 数",
    "It must be there on every node that is to run the model.": "要运行该模型的每个节点上都必须有它。",
    "What people and programs call it by.": "人和程序用来称呼它的名称。",
    "SPDX, e.g. Apache-2.0": "SPDX 标识，如 Apache-2.0",
    "with commas between": "以逗号分隔",
    "empty: as the files say": "留空：以文件为准",
    "Publish it at once": "立即发布",
    "FROM names a model here, a repository such as hf:owner/name, or a path on the nodes.": (
        "FROM 可以是此处的模型、hf:owner/name 形式的仓库，或节点上的路径。"
    ),
    "Choose files first.": "请先选择文件。",
    "{name} has {size}; {most} are allowed.": "{name} 有 {size}，最多允许 {most}。",
    "A GGUF file, or all files of a safetensors model. Interrupted, choose the same files again: it goes on.": (
        "一个 GGUF 文件，或一个 safetensors 模型的全部文件。如中断，重新选择相同文件即可继续。"
    ),
    "Repository": "仓库",
    "Branch, tag or commit": "分支、标签或提交",
    "Only these files": "仅这些文件",
    "Address of one file": "单个文件的地址",
    "SHA-256, when known": "SHA-256（如已知）",
    "Absolute path of a file or directory": "文件或目录的绝对路径",
    "Package and file": "包和文件",
    "Modelfile": "Modelfile",
    "Edit": "编辑",
    "Publish": "发布",
    "Withdraw": "撤回",
    "Copy it": "复制",
    "Delete": "删除",
    "Trial service": "试用服务",
    "More": "更多",
    "Edit {name}": "编辑 {name}",
    "Save": "保存",
    "{name} is changed.": "{name} 已修改。",
    "{name} is published.": "{name} 已发布。",
    "{name} is withdrawn.": "{name} 已撤回。",
    "Withdraw {name}?": "撤回 {name}？",
    "Users do not see it any more. What runs goes on.": "用户将看不到它。正在运行的部署不受影响。",
    "Copy {name}": "复制 {name}",
    "The copy refers to the same files; defaults, tags and licence are its own.": (
        "副本引用相同的文件；默认值、标签和许可证各自独立。"
    ),
    "Delete {name}?": "删除 {name}？",
    "It is removed from the marketplace. Files on nodes stay until they are cleaned up there.": (
        "它将从模型广场移除。节点上的文件在清理前保留。"
    ),
    "The uploaded files are deleted with the last model that is made of them.": (
        "上传的文件将随最后一个引用它们的模型一同删除。"
    ),
    "{name} is deleted.": "{name} 已删除。",
    "{name} cannot be deleted": "无法删除 {name}",
    "These deployments have versions of it: {names}. Delete them first.": (
        "以下部署包含它的版本：{names}。请先删除它们。"
    ),
    "Understood": "知道了",
    "Read its files": "读取文件",
    "Its files were read.": "文件已读取。",
    "Reading…": "读取中……",
    "Modelfile of {name}": "{name} 的 Modelfile",
    "Close": "关闭",
    "Copy": "复制",
    "Let people try {name}": "让大家试用 {name}",
    "Everybody who sees the model may then call this deployment without deploying it themselves.": (
        "所有能看到该模型的人都可直接调用此部署，无需自行部署。"
    ),
    "Deployment to try it with": "用于试用的部署",
    "No trial": "不提供试用",
    'Give it the access "tenant" when it is private': "若为私有，则将其访问范围改为“租户”",
    "Publish the model too": "同时发布该模型",
    "Nothing runs this model. Deploy it first, then name the deployment here.": (
        "没有部署运行该模型。请先部署，然后在此指定该部署。"
    ),
    "{name} can be tried.": "{name} 可供试用。",
    "{name} is no trial any more.": "{name} 不再提供试用。",
    "Sampling parameters": "采样参数",
    "one a line, e.g. temperature=0.2": "每行一个，如 temperature=0.2",
    "{line} is no parameter; write NAME=VALUE.": "{line} 不是参数；请写成 名称=值。",
    "Memory in MiB, when it is to be stated": "内存（MiB，如需声明）",
    "The context and the memory are whole numbers.": "上下文和内存须为整数。",
    "The trial needs {name} to run and to be open to all of the tenant: look at its settings.": (
        "试用要求 {name} 处于运行状态并对整个租户开放：请检查其设置。"
    ),
    "Fetch a model, cancel, clean up: model files of the nodes": "下载、取消或清理：节点上的模型文件",
    "No node has its files yet: they are fetched when a deployment needs them.": (
        "还没有节点拥有它的文件：部署需要时会自动下载。"
    ),
}

FROM_SERVICES = {
    "chat": "对话",
    "completion": "补全",
    "embedding": "向量",
    "rerank": "重排",
    "image": "图像",
    "speech": "语音合成",
    "transcription": "语音识别",
    "Hugging Face": "Hugging Face",
    "ModelScope": "ModelScope 魔搭",
    "Web address": "网址",
    "Path on the nodes": "节点上的路径",
    "Python package": "Python 包",
    "Upload": "上传",
}
