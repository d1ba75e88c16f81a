"""How often cheap answers differ from full ones: which windows are checked, and what follows."""

from costream.audit.choice import AuditChoice, Importance
from costream.audit.report import AuditReport, Cause, QuestionAudit
from costream.audit.sequence import ConfidenceSequence, Interval
from costream.audit.tally import AuditedWindow, AuditTally, Checked, Judgement, cause_of

__all__ = [
    "AuditChoice",
    "AuditReport",
    "AuditTally",
    "AuditedWindow",
    "Cause",
    "Checked",
    "ConfidenceSequence",
    "Importance",
    "Interval",
    "Judgement",
    "QuestionAudit",
    "cause_of",
]
