# Made from spec/client.yaml by openapi-python-client 0.29.1. Do not edit: change the spec or the
# overlay and run scripts/regenerate.

"""Contains all the data models used in inputs/outputs"""

from .browser_settings import BrowserSettings
from .error_detail import ErrorDetail
from .error_response import ErrorResponse
from .session_data import SessionData
from .session_list import SessionList
from .session_list_item import SessionListItem
from .session_list_reply import SessionListReply
from .session_reply import SessionReply
from .session_request import SessionRequest
from .session_settings import SessionSettings
from .session_status import SessionStatus
from .session_status_reply import SessionStatusReply
from .session_timeout import SessionTimeout
from .upload_failed import UploadFailed
from .upload_form import UploadForm
from .upload_refused import UploadRefused
from .upload_refused_detail import UploadRefusedDetail
from .upload_reply import UploadReply
from .upload_result import UploadResult
from .upload_session_not_found import UploadSessionNotFound

__all__ = (
    "BrowserSettings",
    "ErrorDetail",
    "ErrorResponse",
    "SessionData",
    "SessionList",
    "SessionListItem",
    "SessionListReply",
    "SessionReply",
    "SessionRequest",
    "SessionSettings",
    "SessionStatus",
    "SessionStatusReply",
    "SessionTimeout",
    "UploadFailed",
    "UploadForm",
    "UploadRefused",
    "UploadRefusedDetail",
    "UploadReply",
    "UploadResult",
    "UploadSessionNotFound",
)
