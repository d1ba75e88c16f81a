"""How often cheap answers differ from full ones: which windows are checked, and what follows."""

from costream.audit.choice import AuditChoice, Importance
from costream.audit.report import AuditReport, QuestionAudit
from costream.audit.sequence import ConfidenceSequence, Interval
from costream.audit.tally import AuditTally, Checked, Judgement

__all__ = [
    "AuditChoice",
    "AuditReport",
    "AuditTally",
    "Checked",
    "ConfidenceSequence",
    "Importance",
    "Interval",
    "Judgement",
    "QuestionAudit",
]
