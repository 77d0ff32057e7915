"""Cases that a store is known to fail, and why. Strict: one that passes must leave this list."""

_LEFT_DIRECTORIES = "the directory of a deleted object shows as a common prefix for a while"
_LONG_NAMES = "refuses to write names over 255 bytes, and calls them missing otherwise"
_MOTO_PARTS = "answers 500 to a part of an upload that is not there"
_ENCODED_METADATA = "counts the encoded words of metadata that is not ASCII, or refuses such long tags"

SKIPS: dict[tuple[str, str], str] = {
    # moto 5.2
    ("test_a_key_works_exactly_or_is_refused[moto-41]", "moto"): "404 for line ends in keys",
    ("test_odd_names_are_listed_as_they_are", "moto"): "404 for line ends in keys",
    ("test_a_part_that_ends_after_the_abort_is_refused", "moto"): _MOTO_PARTS,
    ("test_an_abort_amid_parts_succeeds_and_leaves_nothing", "moto"): _MOTO_PARTS,
    ("test_an_aborted_upload_leaves_nothing", "moto"): _MOTO_PARTS,
    ("test_an_upload_that_never_was_is_missing[moto-change0]", "moto"): _MOTO_PARTS,
    ("test_an_upload_that_never_was_is_missing[moto-change1]", "moto"): _MOTO_PARTS,
    ("test_an_upload_that_never_was_is_missing[moto-change3]", "moto"): "does not look at an upload's key",
    ("test_parts_are_listed_in_pages", "moto"): "takes the number to list parts after for a count",
    ("test_tags_change_without_a_new_version", "moto"): "takes ASCII only in tags",
    ("test_what_is_kept_beside_the_bytes_may_be_bigger_than_an_attribute", "moto"): _ENCODED_METADATA,
    # Ceph's gateway 16.2
    ("test_parts_left_out_are_dropped", "ceph-rgw"): "wants every part that was sent",
    ("test_a_wrong_list_is_refused_and_the_upload_lives", "ceph-rgw"): "wants every part that was sent",
    ("test_what_was_given_at_the_begin_belongs_to_the_object", "ceph-rgw"): "drops tags given when an upload begins",
    ("test_if_version_writes_only_over_that_version", "ceph-rgw"): "compares If-Match of a PUT with its quotes",
    ("test_of_racing_replacers_one_wins", "ceph-rgw"): "compares If-Match of a PUT with its quotes",
    ("test_user_metadata_is_kept_verbatim[ceph-rgw-metadata0]", "ceph-rgw"): "turns underscores in names into dashes",
    ("test_what_is_kept_beside_the_bytes_may_be_bigger_than_an_attribute", "ceph-rgw"): _ENCODED_METADATA,
    # SeaweedFS 4.48
    ("test_a_folder_object_and_what_lies_below_are_deleted_apart", "seaweedfs"): "a folder object is a directory",
    ("test_a_folder_object_is_an_object_like_others", "seaweedfs"): "a folder object is a directory",
    ("test_a_folder_object_may_be_copied", "seaweedfs"): "a folder object is a directory",
    ("test_a_directory_is_no_object", "seaweedfs"): "every directory is a folder object",
    ("test_deleting_what_is_not_there_is_a_success[seaweedfs-folder/]", "seaweedfs"): "a folder object is a directory",
    (
        "test_uploads_and_copies_take_the_same_keys_as_writes[seaweedfs-dir/]",
        "seaweedfs",
    ): "makes dir/dir of an upload of dir/",
    ("test_a_part_may_be_copied_from_an_object", "seaweedfs"): "tells no MD5 of a copied part",
    ("test_an_upload_that_never_was_is_missing[seaweedfs-change1]", "seaweedfs"): "takes any upload id for a path",
    ("test_content_headers_are_kept_verbatim", "seaweedfs"): "keeps other content headers than it was given",
    ("test_user_metadata_is_kept_verbatim[seaweedfs-metadata3]", "seaweedfs"): "drops empty values",
    **{
        (f"test_a_key_works_exactly_or_is_refused[seaweedfs-{at}]", "seaweedfs"): _LEFT_DIRECTORIES
        for at in (33, 46, 50, 53, 54, 56)
    },
    **{(f"test_a_key_works_exactly_or_is_refused[seaweedfs-{at}]", "seaweedfs"): _LONG_NAMES for at in (52, 55)},
}
"""(name of the test, with or without its parameters; name of the store) to the reason."""

_CARRIED_OUT = "a request that was sent whole may be carried out after its sender has gone"
_OLD_PARTS = "keeps parts that were overwritten, and may list the one that came before"
_NO_ORDER = "lists directory by directory and begins elsewhere than after the key it is given"

CHANCES: dict[tuple[str, str], str] = {
    ("test_a_writer_cancelled_at_any_time_has_written_all_or_nothing", "moto"): _CARRIED_OUT,
    ("test_a_writer_cancelled_at_any_time_has_written_all_or_nothing", "ceph-rgw"): _CARRIED_OUT,
    ("test_a_writer_cancelled_at_any_time_has_written_all_or_nothing", "seaweedfs"): _CARRIED_OUT,
    ("test_of_racing_replacers_one_wins", "moto"): "its threads compare and write in two steps",
    ("test_of_racing_replacers_one_wins", "seaweedfs"): "compares and writes in two steps",
    ("test_racing_completes_of_one_upload_both_succeed", "moto"): "shows the object before the upload is gone",
    ("test_racing_completes_of_one_upload_both_succeed", "ceph-rgw"): "shows the object before the upload is gone",
    ("test_racing_completes_of_one_upload_both_succeed", "seaweedfs"): "shows the object before the upload is gone",
    ("test_any_listing_is_what_its_definition_says", "seaweedfs"): _NO_ORDER,
    ("test_keys_come_in_the_order_of_their_bytes", "seaweedfs"): _NO_ORDER,
    ("test_keys_roll_up_at_any_delimiter", "seaweedfs"): _NO_ORDER,
    ("test_no_directory_and_nothing_of_the_gateway_shows", "seaweedfs"): "lists directories of open uploads",
    ("test_only_keys_after_the_cut_are_listed", "seaweedfs"): _NO_ORDER,
    ("test_pages_join_without_gap_or_double", "seaweedfs"): _NO_ORDER,
    ("test_open_uploads_are_listed_by_key_and_roll_up", "seaweedfs"): "lists uploads in no order",
    ("test_an_aborted_upload_leaves_nothing", "seaweedfs"): "ends an upload some time after it was aborted",
    ("test_an_abort_amid_parts_succeeds_and_leaves_nothing", "seaweedfs"): "takes three quarters of a minute",
    ("test_the_part_that_ends_last_wins", "seaweedfs"): _OLD_PARTS,
    ("test_a_part_may_be_sent_again_and_again", "seaweedfs"): _OLD_PARTS,
}
"""The same for cases that are not run at all, because the store passes them by chance or with some parameters."""
