"""The doctor: what a database is, compared with what it should be, and attempts at what must not be possible."""

from indelible.store.doctor.examination import examine
from indelible.store.doctor.finding import GRADES, Attempt, Check, Examination, Grade, Outcome, Patient

__all__ = ["GRADES", "Attempt", "Check", "Examination", "Grade", "Outcome", "Patient", "examine"]
