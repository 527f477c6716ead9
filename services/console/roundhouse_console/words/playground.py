"""The playground."""

__all__ = ["CHINESE"]

CHINESE = {
    "Playground": "对话",
    "Ask something": "输入问题",
    "Send": "发送",
    "Stop": "停止",
    "Add an image": "添加图片",
    "Image": "图片",
    "Remove image": "移除图片",
    "That many images do not fit: {most} at the most.": "图片过多：最多 {most} 张。",
    "This file is no image that the browser can read.": "浏览器无法将此文件读作图片。",
    "Search conversations": "搜索对话",
    "Conversations are kept here once you have asked something.": "提问之后，对话会保存在这里。",
    "Nothing matches.": "没有匹配项。",
    "Without a title": "无标题",
    "Rename or move": "重命名或移动",
    "Rename folder": "重命名文件夹",
    "Delete": "删除",
    "Show earlier": "显示更早的消息",
    "Ask something below. Answers come as they are written.": "在下方提问，回答会边生成边显示。",
    "Edit": "编辑",
    "What came after this prompt is removed.": "此提问之后的内容将被移除。",
    "Save as a new version": "另存为新版本",
    "Cancel": "取消",
    "Reasoning": "推理过程",
    "Calls the tool": "调用工具",
    "The tool's result": "工具的结果",
    "Give result": "提交结果",
    "Waiting for the first token …": "正在等待首个 token……",
    "Try again": "重试",
    "Previous version": "上一个版本",
    "Next version": "下一个版本",
    "Copy": "复制",
    "Regenerate": "重新生成",
    "Times are measured in the console; the cost is of metering's record.": "时间由控制台测量；费用来自计量记录。",
    "Stopped.": "已停止。",
    "Cut at the most tokens.": "已达到最大 token 数而截断。",
    "first token {seconds} s": "首 token {seconds} s",
    "{rate} tokens/s": "{rate} token/s",
    "{input} + {output} tokens": "{input} + {output} token",
    "cost {cost}": "费用 {cost}",
    "cost: no price": "费用：无价格",
    "A limit of the key, the project or the model is reached. It is free again in a moment.": (
        "已达到密钥、项目或模型的限额，稍后即可恢复。"
    ),
    "The budget is used up. Whoever set it can raise it; it begins anew with its period.": (
        "预算已用完。设置者可以提高预算；下一周期会重新开始。"
    ),
    "No model is ready now. Until one has started, questions are refused.": (
        "目前没有就绪的模型；在有模型启动之前，提问会被拒绝。"
    ),
    "{models} cannot answer now: no replica is ready. Choose another model, or wait.": (
        "{models} 目前无法回答：没有就绪的副本。请选择其他模型，或稍候。"
    ),
    "Choose another model above.": "请在上方选择其他模型。",
    "The conversation is longer than the model can read. Start a new one or shorten it.": (
        "对话超出了模型可读取的长度。请新建对话或缩短内容。"
    ),
    "No replica of it is ready. It may be starting: its deployment says more.": (
        "没有就绪的副本，可能正在启动；详情见其部署页面。"
    ),
    "All its replicas are busy. It is free again in a moment.": "所有副本都在忙，稍后即可恢复。",
    "Too many requests wait for it already. It is free again in a moment.": "等待的请求过多，稍后即可恢复。",
    "Settings of this conversation": "此对话的设置",
    "Use": "使用",
    "System prompt": "系统提示词",
    "Temperature": "温度",
    "Most tokens": "最大 token 数",
    "Seed": "随机种子",
    "Presence penalty": "存在惩罚",
    "Frequency penalty": "频率惩罚",
    "Empty fields are left to the model.": "留空的项由模型决定。",
    "Stop sequences, one a line": "停止序列，每行一个",
    "Answers follow this JSON schema": "回答遵循此 JSON Schema",
    "Tools, as a JSON array of function definitions": "工具：函数定义的 JSON 数组",
    "The same by API": "通过 API 实现相同操作",
    "Language": "语言",
    "Put one of your API keys in the place of YOUR_API_KEY.": "请将 YOUR_API_KEY 替换为您的 API 密钥。",
    "API keys": "API 密钥",
    "Close": "关闭",
    "No model is published for you yet.": "尚无向您发布的模型。",
    "Deployments": "部署",
    "There is no such conversation; it may have been deleted.": "没有此对话，可能已被删除。",
    "Conversations": "对话列表",
    "New conversation": "新对话",
    "Add a model": "添加模型",
    "Settings": "设置",
    "Code": "代码",
    "Export": "导出",
    "{most} models side by side at the most.": "最多并排 {most} 个模型。",
    "Conversation with {model}": "与 {model} 的对话",
    "Model": "模型",
    "Remove {model}": "移除 {model}",
    "Save": "保存",
    "Title": "标题",
    "Folder, empty for none": "文件夹（留空表示无）",
    "Name, empty to move its conversations out": "名称（留空则移出其中的对话）",
    "“{title}” and everything that was said in it is gone for good.": "“{title}”及其全部内容将被永久删除。",
    "Delete this conversation?": "删除此对话？",
    "This conversation is too large to be kept. Start a new one, or with fewer images.": (
        "此对话过大，无法保存。请新建对话，或减少图片。"
    ),
    "This conversation was changed or deleted in another window. Load the page again.": (
        "此对话已在另一窗口中更改或删除。请重新加载页面。"
    ),
    "The connection broke while the answer came.": "接收回答时连接中断。",
    "The model's server sent something that is not JSON.": "模型服务发送的内容不是 JSON。",
}
