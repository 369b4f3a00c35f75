"""Days in words, as the list of conversations is divided by them."""

from __future__ import annotations

from datetime import date, datetime

from PySide6.QtCore import QCoreApplication, QDate, QLocale, QTime

translate = QCoreApplication.translate  # the name that lupdate looks for


def day_words(day: date, today: date) -> str:
    """Return under which heading a day belongs: Today, Yesterday, …, then months."""
    ago = (today - day).days
    if ago <= 0:
        return translate("HistoryPane", "Today")
    if ago == 1:
        return translate("HistoryPane", "Yesterday")
    if ago < 7:
        return translate("HistoryPane", "The last 7 days")
    if ago < 30:
        return translate("HistoryPane", "The last 30 days")
    month = QLocale().standaloneMonthName(day.month, QLocale.FormatType.LongFormat)
    return f"{month} {day.year}"


def short_time(when: datetime, today: date) -> str:
    """Return when something was said, as short as it can be: the time of today, or the date."""
    local = when.astimezone()
    short = QLocale.FormatType.ShortFormat
    if local.date() == today:
        return QLocale().toString(QTime(local.hour, local.minute), short)
    return QLocale().toString(QDate(local.year, local.month, local.day), short)
