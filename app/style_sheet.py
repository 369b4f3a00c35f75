"""The style of our own widgets, for a colour scheme."""

from __future__ import annotations

from app.colours import Colours

SCROLL_BAR_WIDTH = 12


def style_sheet(colours: Colours) -> str:
    """Return the style of the widgets that are ours; everything else is Fusion with our palette."""
    c = colours
    return f"""
    QToolTip {{ background: {c.text}; color: {c.surface}; border: none; padding: 4px 8px; }}
    QMenu {{ background: {c.raised}; color: {c.text}; border: 1px solid {c.border}; border-radius: 8px; padding: 4px; }}
    QMenu::item {{ padding: 6px 24px 6px 12px; border-radius: 4px; }}
    QMenu::item:selected {{ background: {c.hover}; }}
    QMenu::item:disabled {{ color: {c.border_strong}; }}
    QMenu::separator {{ height: 1px; background: {c.border}; margin: 4px 8px; }}

    QScrollBar:vertical {{ background: transparent; width: {SCROLL_BAR_WIDTH}px; margin: 0; }}
    QScrollBar::handle:vertical {{ background: {c.border_strong}; border-radius: 2px;
                                   min-height: 32px; margin: 3px 4px; }}
    QScrollBar::handle:vertical:disabled {{ background: transparent; }}
    QScrollBar:horizontal {{ background: transparent; height: {SCROLL_BAR_WIDTH}px; margin: 0; }}
    QScrollBar::handle:horizontal {{ background: {c.border_strong}; border-radius: 2px;
                                     min-width: 32px; margin: 4px 3px; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; width: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}

    #rail {{ background: {c.rail}; border-right: 1px solid {c.border}; }}
    #rail QToolButton {{ border: 2px solid transparent; border-radius: 10px; color: {c.muted};
                         padding: 6px 2px; min-width: 68px; min-height: 44px; }}
    #rail QToolButton:hover {{ background: {c.hover}; color: {c.text}; }}
    #rail QToolButton:checked {{ background: {c.accent_soft}; color: {c.accent}; }}
    #rail QToolButton::menu-indicator {{ image: none; }}
    #rail QToolButton:focus {{ border-color: {c.accent}; }}

    #status {{ background: {c.rail}; border-top: 1px solid {c.border}; }}
    #status QLabel {{ color: {c.muted}; }}
    #status #badge {{ background: {c.badge}; color: {c.on_badge}; border-radius: 4px; padding: 0 6px; }}
    #status #offline {{ background: {c.accent_soft}; color: {c.accent}; border-radius: 4px; padding: 0 6px; }}
    #status QToolButton {{ border: 1px solid transparent; border-radius: 4px; padding: 1px 6px; color: {c.text}; }}
    #status QToolButton:hover {{ background: {c.hover}; }}
    #status QToolButton:focus {{ border-color: {c.accent}; }}
    #status QToolButton::menu-indicator {{ image: none; }}
    #status #live {{ background: {c.danger_soft}; color: {c.danger}; border-radius: 9px; padding: 1px 8px; }}
    #status #live:hover {{ border-color: {c.danger}; }}
    #status #live:focus {{ border-color: {c.danger}; }}

    #history {{ background: {c.rail}; border-right: 1px solid {c.border}; }}
    #history QListView {{ background: transparent; }}
    #history > QLineEdit {{ background: {c.surface}; border: 1px solid {c.border_strong}; border-radius: 8px;
                          padding: 5px 6px; selection-background-color: {c.selection}; }}
    #history > QLineEdit:focus {{ border: 2px solid {c.accent}; padding: 4px 5px; }}
    #history #rename {{ background: {c.surface}; color: {c.text}; border: 2px solid {c.accent}; border-radius: 8px;
                        padding: 0 9px; selection-background-color: {c.selection}; }}
    #history > QToolButton {{ border: 2px solid transparent; border-radius: 8px; padding: 4px; }}
    #history > QToolButton:hover {{ background: {c.hover}; }}
    #history > QToolButton:focus {{ border-color: {c.accent}; }}
    #history > QToolButton::menu-indicator {{ image: none; }}
    #history_note {{ color: {c.muted}; padding: 16px; }}
    #history_note[alarming="yes"] {{ color: {c.danger}; background: {c.danger_soft}; }}
    #history_message {{ background: {c.accent_soft}; border-radius: 8px; padding: 8px 12px; }}
    #history_message[alarming="yes"] {{ background: {c.danger_soft}; color: {c.danger}; }}
    #voice {{ background: {c.accent_soft}; border: 1px solid {c.accent}; border-radius: 14px; }}
    #voice[alarming="yes"] {{ background: {c.danger_soft}; border-color: {c.danger}; }}
    #voice #hint {{ color: {c.text}; }}
    #undo {{ background: {c.accent_soft}; border-radius: 8px; }}
    #undo QPushButton {{ color: {c.accent}; }}

    #header {{ background: {c.surface}; border-bottom: 1px solid {c.border}; min-height: 46px; }}
    #title {{ font-weight: 600; }}
    #composer {{ background: {c.raised}; border: 1px solid {c.border_strong}; border-radius: 14px; }}
    #composer[focused="yes"] {{ border: 2px solid {c.accent}; }}
    #composer QPlainTextEdit {{ background: transparent; border: none; selection-background-color: {c.selection}; }}
    #composer #attachments, #composer #attachments > QWidget > QWidget {{ background: transparent; }}
    #composer QToolButton {{ border: 2px solid transparent; border-radius: 8px; color: {c.muted}; padding: 3px 6px; }}
    #composer QToolButton:hover {{ background: {c.hover}; color: {c.text}; }}
    #composer QToolButton:focus {{ border-color: {c.accent}; }}
    #composer QToolButton::menu-indicator {{ image: none; }}
    #composer #attach {{ padding: 3px; }}
    #composer #detail {{ border: 1px solid {c.border}; border-radius: 12px; padding: 4px 12px; }}
    #composer #detail:focus {{ border: 2px solid {c.accent}; padding: 3px 11px; }}
    #composer QToolButton#remove {{ background: {c.text}; border: 2px solid {c.raised}; border-radius: 11px;
                                   padding: 0; }}
    #composer QToolButton#remove:hover {{ background: {c.danger}; }}
    #composer QToolButton#remove:focus {{ border-color: {c.accent}; }}
    #composer #hint[alarming="yes"] {{ color: {c.danger}; }}
    #banner {{ background: {c.accent_soft}; border-radius: 8px; }}
    #banner[alarming="yes"] {{ background: {c.danger_soft}; }}
    QDialog QPlainTextEdit, QDialog QLineEdit {{ background: {c.surface}; border: 1px solid {c.border_strong};
                                                 border-radius: 8px; padding: 6px 8px; }}
    QDialog QPlainTextEdit:focus, QDialog QLineEdit:focus {{ border: 2px solid {c.accent}; padding: 5px 7px; }}

    #card {{ background: {c.raised}; border: 1px solid {c.border}; border-radius: 12px; }}
    #card #line {{ background: {c.border}; border: none; }}
    #sheet, #sheet > QWidget > QWidget#inside {{ background: {c.surface}; border: none; }}
    #said {{ color: {c.muted}; }}
    #said[alarming="yes"] {{ color: {c.danger}; }}
    #confirm {{ background: {c.danger_soft}; border-radius: 10px; }}
    #confirm[kind="calm"] {{ background: {c.accent_soft}; }}
    #confirm QLabel {{ color: {c.text}; }}
    #said[alarming="warn"] {{ color: {c.on_badge}; }}
    #sections {{ background: {c.rail}; border: 2px solid {c.rail}; padding: 6px; outline: none; }}
    #sections:focus {{ border-color: {c.accent}; }}
    #sections::item {{ padding: 7px 10px; border-radius: 8px; color: {c.text}; }}
    #sections::item:hover {{ background: {c.hover}; }}
    #sections::item:selected {{ background: {c.accent_soft}; color: {c.accent}; }}
    QTabWidget::pane {{ border: none; }}
    QTabBar::tab {{ background: transparent; color: {c.muted}; border: none; border-bottom: 2px solid transparent;
                    padding: 6px 12px; margin-right: 4px; }}
    QTabBar::tab:selected {{ color: {c.accent}; border-bottom-color: {c.accent}; }}
    QTabBar::tab:focus {{ background: {c.accent_soft}; border-radius: 4px; }}
    #offer {{ background: {c.badge}; border-bottom: 1px solid {c.border}; }}
    #offer QLabel {{ color: {c.on_badge}; }}
    #offer QPushButton {{ color: {c.on_badge}; border-color: {c.on_badge}; background: transparent;
                          padding: 3px 12px; }}
    #offer QPushButton:hover {{ background: {c.raised}; color: {c.text}; }}
    #offer QPushButton:focus {{ border: 2px solid {c.on_badge}; padding: 2px 11px; }}
    #storage {{ background: {c.danger_soft}; border-bottom: 1px solid {c.border}; }}
    #storage QLabel {{ color: {c.danger}; }}
    #storage QPushButton {{ color: {c.danger}; border-color: {c.danger}; background: transparent; padding: 3px 12px; }}
    #storage QPushButton:hover {{ background: {c.raised}; }}
    #storage QPushButton:focus {{ border: 2px solid {c.danger}; padding: 2px 11px; }}
    #chip {{ background: {c.code}; color: {c.muted}; border-radius: 6px; padding: 1px 7px; }}
    #chip[kind="demo"] {{ background: {c.badge}; color: {c.on_badge}; }}
    #chip[kind="loaded"] {{ background: {c.accent_soft}; color: {c.accent}; }}
    QProgressBar {{ background: {c.hover}; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; }}
    QProgressBar::chunk {{ background: {c.accent}; border-radius: 3px; }}
    QComboBox {{ background: {c.raised}; color: {c.text}; border: 1px solid {c.border_strong}; border-radius: 8px;
                 padding: 5px 10px; min-width: 120px; }}
    QComboBox:hover {{ background: {c.hover}; }}
    QComboBox:focus {{ border: 2px solid {c.accent}; padding: 4px 9px; }}
    QComboBox::drop-down {{ border: none; width: 22px; }}
    QComboBox QAbstractItemView {{ background: {c.raised}; color: {c.text}; border: 1px solid {c.border};
                                   selection-background-color: {c.hover}; selection-color: {c.text}; outline: none; }}

    #answers {{ background: transparent; border: 2px solid transparent; border-radius: 8px; }}
    #answers:focus {{ border-color: {c.accent}; }}

    #phrases {{ background: {c.surface}; border: 1px solid {c.border_strong}; border-radius: 8px; padding: 6px 8px;
                selection-background-color: {c.selection}; }}
    #phrases:focus {{ border: 2px solid {c.accent}; padding: 5px 7px; }}
    #transcript {{ background: transparent; }}

    #hint, #room_text, #greeting_text, #notice_text {{ color: {c.muted}; }}

    QPushButton {{ background: {c.raised}; color: {c.text}; border: 1px solid {c.border_strong}; border-radius: 8px;
                   padding: 7px 16px; }}
    QPushButton:hover {{ background: {c.hover}; }}
    QPushButton::menu-indicator {{ image: none; }}
    QPushButton:focus {{ border: 2px solid {c.accent}; padding: 6px 15px; }}
    QPushButton:disabled {{ color: {c.border_strong}; border-color: {c.border}; background: transparent; }}
    QPushButton[kind="primary"] {{ background: {c.accent}; color: {c.on_accent}; border-color: {c.accent}; }}
    QPushButton[kind="primary"]:hover {{ background: {c.accent_hover}; }}
    QPushButton[kind="primary"]:focus {{ border: 2px solid {c.text}; }}
    QPushButton[kind="danger"] {{ background: {c.danger}; color: {c.danger_soft}; border-color: {c.danger}; }}
    QPushButton[kind="danger"]:focus {{ border: 2px solid {c.text}; }}
    QPushButton[kind="keys"] {{ min-width: 96px; padding: 4px 12px; background: {c.code}; border-color: {c.border}; }}
    QPushButton[kind="keys"]:hover {{ border-color: {c.accent}; }}
    QPushButton[kind="keys"]:focus {{ border: 2px solid {c.accent}; padding: 3px 11px; }}
    QPushButton[kind="example"] {{ text-align: left; padding: 11px 16px; border-color: {c.border};
                                   border-radius: 12px; }}
    QPushButton[kind="example"]:hover {{ border-color: {c.accent}; background: {c.accent_soft}; }}
    QPushButton[kind="example"]:focus {{ border: 2px solid {c.accent}; padding: 10px 15px; }}
    QPushButton[kind="toggle"] {{ border-radius: 12px; padding: 4px 14px; color: {c.muted}; border-color: {c.border}; }}
    QPushButton[kind="toggle"]:hover {{ color: {c.text}; }}
    QPushButton[kind="toggle"]:checked {{ background: {c.accent_soft}; color: {c.accent}; border-color: {c.accent}; }}
    QPushButton[kind="toggle"]:focus {{ border: 2px solid {c.accent}; padding: 3px 13px; }}
    QPushButton[kind="flat"] {{ border-color: transparent; background: transparent; color: {c.muted};
                                padding: 5px 10px; }}
    QPushButton[kind="flat"]:hover {{ background: {c.hover}; color: {c.text}; }}
    QPushButton[kind="flat"]:focus {{ border: 2px solid {c.accent}; padding: 4px 9px; }}
    QPushButton[kind="flat"]:disabled {{ color: {c.border_strong}; }}
    QPushButton[kind="send"] {{ background: {c.accent}; border: 2px solid {c.accent}; border-radius: 18px; padding: 0;
                                min-width: 32px; max-width: 32px; min-height: 32px; max-height: 32px; }}
    QPushButton[kind="send"]:hover {{ background: {c.accent_hover}; border-color: {c.accent_hover}; }}
    QPushButton[kind="send"]:focus {{ border-color: {c.text}; }}
    QPushButton[kind="send"]:disabled {{ background: {c.hover}; border-color: {c.hover}; }}
    QPushButton[kind="jump"] {{ border-radius: 14px; padding: 7px 16px; background: {c.raised};
                                border-color: {c.border_strong}; }}
    QPushButton[kind="jump"]:hover {{ background: {c.hover}; }}
    """
