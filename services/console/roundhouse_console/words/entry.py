"""Signing in."""

__all__ = ["CHINESE"]

CHINESE = {
    "Sign in": "登录",
    "Name": "名称",
    "Password": "密码",
    "Sign in with {provider}": "使用 {provider} 登录",
    "Choose a password": "设置密码",
    "The password that you were given is good for one login. Choose your own: at least 12 characters.": (
        "初始密码只能使用一次。请设置您自己的密码，至少 12 个字符。"
    ),
    "The password that you were given": "初始密码",
    "New password": "新密码",
    "New password, again": "再次输入新密码",
    "Set password and sign in": "设置密码并登录",
    "The two new passwords differ.": "两次输入的新密码不一致。",
    "You are signed out. Sign in again.": "您已退出登录，请重新登录。",
    "{span} ago": "{span} 前",
}
