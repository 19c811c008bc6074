"""Where files are stored: each place a module of its own behind one interface (see `store.Store`)."""

from pathlib import Path
from threading import Event

from source_customerscanvas.files.stores.store import Store
from source_customerscanvas.settings import Settings
from source_customerscanvas.times import Clock


def store_for(settings: Settings, clock: Clock, stopping: Event, *, is_hasty: bool = False) -> Store | None:
    """The store that `files` asks for; None where files are not wanted. Nothing is asked of it yet.

    A hasty one gives up within seconds where nobody answers: for a check.
    Once `stopping` is set, whoever waits for room raises `Stopped`. Raises `InvalidSetting`. The libraries of a place
    are imported when it is used.
    """
    files = settings.files
    if files.delivery == "none":
        return None
    if files.delivery == "airbyte":
        from source_customerscanvas.files.stores.staging import StagingStore

        return StagingStore(clock, stopping)
    if files.delivery == "folder":
        from source_customerscanvas.files.stores.folder import FolderStore

        return FolderStore(Path(files.absolute_path))
    if files.delivery == "sftp":
        from source_customerscanvas.files.stores.sftp import SftpStore

        return SftpStore(files, stopping, is_hasty=is_hasty)
    from source_customerscanvas.files.stores import clouds
    from source_customerscanvas.files.stores.bucket import BucketStore

    describe = {"s3": clouds.s3, "gcs": clouds.gcs, "azure": clouds.azure}[files.delivery]
    return BucketStore(describe(files), stopping, is_hasty=is_hasty)
