"""Messages to an SNS topic.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html: a subject has no line breaks and no control
characters, and is shorter than 100 characters. Only ASCII is sent: mail clients get the subject as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.errors import KilnError, ThrottledError, UnansweredError, UnreachableError
from kiln.notifications.sending import MaybeSentError, NotSentError, Parcel

if TYPE_CHECKING:
    from kiln.notifications.messages import Message

_LONGEST_SUBJECT = 99


def send(parcel: Parcel) -> str:
    """Publish a message. There is no idempotency token for a standard topic."""
    arn = parcel.row.topic_arn or ""
    effects = parcel.context.within(parcel.seconds).effects
    try:
        effects.publish(arn, subject(parcel.message), parcel.message.text)
    except (ThrottledError, UnreachableError) as error:
        raise NotSentError(error.message, again=True) from error
    except UnansweredError as error:
        raise MaybeSentError(error.message) from error
    except KilnError as error:
        raise NotSentError(error.message, again=False) from error
    return ""


def subject(message: Message) -> str:
    """Return the subject of a message in the form that SNS takes."""
    return message.subject.encode("ascii", "replace").decode()[:_LONGEST_SUBJECT]
