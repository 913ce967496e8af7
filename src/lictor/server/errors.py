"""What can go wrong with a request, as the OpenAI error object.

In: what happened. Out: an exception with its HTTP status and body. Messages never repeat what a client or a model
wrote. Knows no server.
"""

from lictor.errors import LictorError


class ServiceError(LictorError):
    """A request that cannot be served; `status` is the HTTP status, `code` what programs compare."""

    status = 500
    type = "server_error"

    def __init__(self, message: str, code: str = "server_error", param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.headers: dict[str, str] = {}

    def body(self) -> dict[str, object]:
        """The JSON body, or the frame inside a stream."""
        return {"error": {"message": str(self), "type": self.type, "param": self.param, "code": self.code}}


class RequestError(ServiceError):
    """The request is at fault."""

    status = 400
    type = "invalid_request_error"

    def __init__(self, message: str, code: str, param: str | None = None, *, status: int = 400) -> None:
        super().__init__(message, code, param)
        self.status = status


class BusyError(ServiceError):
    """Too many requests; the client may come again after `retry_after_s`."""

    status = 429
    type = "rate_limit_error"

    def __init__(self, message: str, code: str, retry_after_s: int) -> None:
        super().__init__(message, code)
        self.headers = {"retry-after": str(retry_after_s)}


class UpstreamError(ServiceError):
    """The protected model's endpoint failed, or does not keep to its protocol."""

    type = "upstream_error"

    def __init__(self, message: str, code: str, *, status: int = 502) -> None:
        super().__init__(message, code)
        self.status = status


class GuardFailedError(ServiceError):
    """The guard itself failed and its policy is closed; `code` is the decision's reason."""

    status = 503
    type = "guard_error"


class BlockedError(ServiceError):
    """The guard blocked, in the shape that clients of Azure know."""

    status = 400
    type = "invalid_request_error"

    def __init__(self, message: str, category: str) -> None:
        super().__init__(message, "content_filter", "messages")
        self._category = category

    def body(self) -> dict[str, object]:
        """The error object with its `innererror`."""
        inner = {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": filter_results(self._category),
        }
        error = {"message": str(self), "type": self.type, "param": self.param, "code": self.code, "innererror": inner}
        return {"error": error}


def filter_results(category: str) -> dict[str, object]:
    """What Azure's clients read of a block."""
    return {category: {"filtered": True, "severity": "high"}}
