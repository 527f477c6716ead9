"""The account, and tokens."""

__all__ = ["CHINESE", "FROM_SERVICES"]

CHINESE = {
    "There are no tokens. Programs sign in with one, e.g. the command line as ROUNDHOUSE_TOKEN.": (
        "没有令牌。程序可用令牌登录，例如命令行的 ROUNDHOUSE_TOKEN。"
    ),
    "Personal tokens": "个人令牌",
    "Programs that use it are signed out at once, for good.": "使用它的程序将立即并永久退出登录。",
    "Create a token": "创建令牌",
    "Whoever has the token may do what its owner may. Keep it like a password.": (
        "持有令牌者拥有其所有者的权限，请像密码一样保管。"
    ),
    "Your new token": "您的新令牌",
    "Where you are signed in": "登录位置",
    "Your password now": "当前密码",
    "Set password": "设置密码",
    "As the browser": "跟随浏览器",
    "As the browser: {zone}": "跟随浏览器：{zone}",
    "{count|other browser or program is|other browsers and programs are} signed out at once.": (
        "其他 {count} 个浏览器和程序将立即退出登录。"
    ),
    "Browser or program": "浏览器或程序",
    "Signed in by": "登录方式",
    "this one": "当前",
    "You in {tenant}": "您在 {tenant}",
    "Preferences": "偏好设置",
    "Choosing a new one signs you out everywhere else.": "设置新密码会使您在其他地方退出登录。",
    "Signed out there.": "已在该处退出登录。",
    "Theme": "主题",
    "Language": "语言",
    "Time zone": "时区",
    "Sign out everywhere else?": "在其他地方全部退出登录？",
    "Sign out everywhere else": "在其他地方全部退出登录",
}

FROM_SERVICES = {
    "password": "密码",
    "oidc": "单点登录",
    "device": "设备登录",
}
"""How somebody signed in."""
