"""Words of templates."""

from types import MappingProxyType
from typing import Final

__all__ = ["CHINESE"]

CHINESE: Final = MappingProxyType(
    {
        "Templates": "模板",
        "Template": "模板",
        "Switches": "切换",
        "Engine, parameters, resources and scaling, settled once: who deploys only picks a model.": (
            "引擎、参数、资源和伸缩一次定好：部署的人只需选择模型。"
        ),
        "Import": "导入",
        "New template": "新建模板",
        "For models": "适用模型",
        "Each replica": "每个副本",
        "Number": "编号",
        "Changed": "更改时间",
        "There are no templates yet. Make one, and deploying needs only a model.": (
            "还没有模板。新建一个之后，部署时只需选择模型。"
        ),
        "any": "任意",
        "{count|accelerator|accelerators}": "{count} 张加速卡",
        "as its files need": "按模型文件所需",
        "Import templates": "导入模板",
        "A document or several, in YAML or JSON. A name that is there gets its next number. All, or none.": (
            "一个或多个 YAML 或 JSON 文档。已有的名称会得到下一个编号。要么全部导入，要么都不导入。"
        ),
        "Paste a template first.": "请先粘贴模板。",
        "new": "新建",
        "changed": "已修改",
        "as it was": "未变",
        "Templates are for all of {tenant}: who deploys in a project only uses them.": (
            "模板属于整个 {tenant}：在项目中部署的人只能使用它们。"
        ),
        "Edit {name}": "编辑 {name}",
        "Deployments that were made from it stay as they are.": "由它创建的部署保持不变。",
        "What it is for": "用途",
        "Its classes of devices stay as they are: {names}. A file changes them: import it.": (
            "其设备类别保持不变：{names}。要修改请导入文件。"
        ),
        "While idle it may be put to sleep to make room": "空闲时可以休眠以腾出空间",
        "Save as the next number": "保存为下一个编号",
        "Create": "创建",
        "Description": "描述",
        "Kinds of models": "模型类型",
        "Names of models": "模型名称",
        "Architectures": "架构",
        "Empty: any. * stands for anything; several with commas between.": (
            "留空表示任意。* 代表任意字符；多个用逗号分隔。"
        ),
        "Engine parameters": "引擎参数",
        "Classes of devices, the preferred one first": "设备类别，优先的在前",
        "Numbers": "编号",
        "Made from it": "由它创建",
        "Deploy with it": "用它部署",
        "Edit": "编辑",
        "Edit as a file": "以文件编辑",
        "Delete": "删除",
        "All its numbers go: {count}.": "它的所有编号都会删除：{count} 个。",
        "Deployments that were made from it stay as they are: {count}.": "由它创建的部署保持不变：{count} 个。",
        "Delete {name}?": "删除 {name}？",
        "{name} is deleted.": "{name} 已删除。",
        "{least} to {most}, by load": "{least} 到 {most}，按负载",
        "For each replica": "每个副本",
        "the first one there is": "最早的一个",
        "Made at": "创建时间",
        "What it changed": "改动",
        "no difference": "无差别",
        "Nothing that runs now.": "目前没有。",
    }
)
