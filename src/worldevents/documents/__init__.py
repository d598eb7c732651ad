"""The system's verbs as JSON documents: what HTTP, the command line and a replay all take and give.

Items come in as decoded JSON with nothing checked yet; answers go out as `codec` writes them. A client of a running
server has the same verbs, so that whoever uses `Verbs` need not know where the system is. Here are the verbs of goals
and events; beside them those of operators (`operating`), of rewards and of results.
"""

from worldevents.codec import Json
from worldevents.documents.answers import published, receipt_status, recorded, refusal, result
from worldevents.documents.items import ACTION_KINDS, action, instant, offer, only
from worldevents.documents.verbs import STATUSES, Local, Verbs, contribute_many, record_many

__all__ = [
    "ACTION_KINDS",
    "STATUSES",
    "Json",
    "Local",
    "Verbs",
    "action",
    "contribute_many",
    "instant",
    "offer",
    "only",
    "published",
    "receipt_status",
    "record_many",
    "recorded",
    "refusal",
    "result",
]
