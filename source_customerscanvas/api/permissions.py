"""Which permission of the external app a request needs, in the words of the app's settings.

https://customerscanvas.com/dev/backoffice/auth.html
"""

import re
from urllib.parse import urlsplit

from source_customerscanvas.api.calls import Call
from source_customerscanvas.errors import MissingPermission

_PROJECTS = "Projects: Read"
_NEEDED = (
    (r"/storage/", "Artifacts: Read", "", "read artifacts and their files"),
    # which of the two these need, the documentation does not say
    (r"/storefronts\Z", "Storefronts: Read", _PROJECTS, "list storefronts"),
    (r"/statuses\Z", "Storefronts: Read", _PROJECTS, "list the business statuses"),
    (r"/transitions\Z", "Storefronts: Read", _PROJECTS, "list the status transitions"),
    (r"/processing-pipelines\Z", "Storefronts: Read", _PROJECTS, "list the processing pipelines"),
)


def missing_permission(call: Call) -> MissingPermission:
    """The error for a request that the API forbids."""
    if call.method != "GET":
        return MissingPermission("Projects: Full", "change projects and run their pipelines")
    path = urlsplit(call.url).path
    for pattern, permission, alternative, purpose in _NEEDED:
        if re.search(pattern, path):
            return MissingPermission(permission, purpose, alternative)
    return MissingPermission(_PROJECTS, "read projects")
