"""What is promised under each fault, and the tests that show it. The table of `docs/faults.md` is made of this.

A test is named by its file below `tests/` and its function; all cases of a parametrised one count.
"""

from __future__ import annotations

from typing import NamedTuple

KILLED, TWO, DAMAGE = "faults/test_killed_runs.py", "faults/test_two_at_once.py", "faults/test_damage.py"
STORAGE, ODD, BACKUP = "faults/test_storage.py", "faults/test_odd_input.py", "faults/test_backup.py"
MEMORY, CLOCK, READERS = "faults/test_memory.py", "faults/test_clock.py", "faults/test_readers_and_writers.py"


class Promise(NamedTuple):
    """A fault, what is promised under it, and the tests."""

    fault: str
    promised: str
    tests: tuple[str, ...]


PROMISES = (
    Promise(
        "A run is killed (SIGKILL) at a random moment of each step and model in turn, again and again",
        "Nothing is half written. The next run does not hang; it ends with the content of an undisturbed run.",
        (
            f"{KILLED}::test_running_again_after_kills_gives_the_content_of_an_undisturbed_run",
            f"{KILLED}::test_kills_are_as_many_as_asked_for_and_lie_in_every_kind_of_start",
            f"{KILLED}::test_every_asset_has_its_turn_to_be_killed_in",
        ),
    ),
    Promise(
        "The power fails: the newest bytes of a file are gone",
        "A cut log loses whole transactions, never half of one; a cut file is found by its checksum.",
        (
            f"{DAMAGE}::test_a_log_cut_off_by_a_power_cut_loses_whole_transactions_and_no_half_ones",
            f"{DAMAGE}::test_rows_of_the_newest_bytes_that_a_power_cut_took_are_found_missing",
            f"{DAMAGE}::test_all_that_was_written_after_the_working_file_may_be_cut_off",
            f"{DAMAGE}::test_a_publication_without_a_manifest_is_published_anew",
        ),
    ),
    Promise(
        "The disk is full",
        "One message. The load is rolled back, the publication of before stands; with room, running again goes on.",
        (
            f"{STORAGE}::test_a_load_and_a_publication_on_a_full_disk_leave_what_stood_and_go_on_with_room",
            f"{STORAGE}::test_a_run_on_a_full_disk_says_so",
            f"{STORAGE}::test_a_run_that_fills_the_disk_goes_on_when_there_is_room",
        ),
    ),
    Promise(
        "The folder cannot be written",
        "One message before anything is begun. Reading, examining and backing up work.",
        (f"{STORAGE}::test_a_folder_that_cannot_be_written_is_said_and_can_still_be_read_and_copied",),
    ),
    Promise(
        "The working DuckDB file is damaged",
        "Found by DuckDB's checksums of its blocks; `doctor --repair` keeps the damaged file aside, takes forecasts "
        "and decisions from the published copy, and the next run makes the rest from the sources.",
        (
            f"{DAMAGE}::test_damage_of_each_kind_is_found_by_checksum_and_has_a_remedy",
            f"{DAMAGE}::test_a_damaged_raw_table_is_loaded_again_and_a_run_makes_forecasts_and_readings_as_before",
            f"{DAMAGE}::test_a_working_file_that_cannot_be_opened_is_begun_anew_with_what_was_published",
            f"{DAMAGE}::test_a_working_file_begun_anew_is_as_before_after_a_run",
            f"{DAMAGE}::test_a_day_after_a_raw_table_was_loaded_again_all_is_as_if_nothing_had_happened",
            f"{DAMAGE}::test_repair_keeps_what_a_killed_process_had_committed",
            f"{DAMAGE}::test_a_sound_warehouse_passes_and_repair_leaves_it_as_it_is",
        ),
    ),
    Promise(
        "A published file (DuckDB or Parquet) is damaged",
        "Found by its SHA-256 in the manifest; published anew from the working file, with nothing of the damaged one.",
        (f"{DAMAGE}::test_a_damaged_publication_is_published_anew_from_the_working_file",),
    ),
    Promise(
        "A model's artefact is damaged or lost",
        "Found by its SHA-256 in forecasts.model_versions. Run and repair train it again on the history of then: the "
        "same file to the bit, or it is said that it cannot be made again.",
        (
            f"{DAMAGE}::test_a_changed_and_a_lost_artefact_are_made_again_to_the_bit",
            f"{DAMAGE}::test_an_artefact_whose_history_has_changed_is_not_replaced_by_another_model",
        ),
    ),
    Promise(
        "Dagster's history of runs is damaged",
        "Kept aside and begun anew; no table is touched.",
        (f"{DAMAGE}::test_a_damaged_history_of_runs_is_kept_aside_and_begun_anew",),
    ),
    Promise(
        "Two runs at once; a run and a backfill",
        "The second waits for the first and says for whom. Both end well; the content is that of one after the other.",
        (
            f"{READERS}::test_a_reader_sees_whole_publications_while_two_writers_run_and_the_second_changes_nothing",
            f"{TWO}::test_a_run_and_a_backfill_at_once_do_both",
        ),
    ),
    Promise(
        "A run and `dbt` by hand; another program holds the working file",
        "Whoever comes second waits up to a minute, then fails with the other's process named. Nothing is lost.",
        (
            f"{TWO}::test_a_program_that_holds_the_working_file_is_waited_for_and_then_named",
            f"{TWO}::test_dbt_by_hand_beside_a_run_waits_or_says_who_holds_the_file",
        ),
    ),
    Promise(
        "A BI tool holds the published file open for hours",
        "It goes on reading the publication that it has opened, over any number of later ones, and blocks none.",
        (
            f"{TWO}::test_a_reader_that_holds_the_published_file_keeps_it_over_any_number_of_publications",
            f"{READERS}::test_the_reader_would_notice_a_half_written_publication",
        ),
    ),
    Promise(
        "The machine's clock steps",
        "The newest word about a reading stands; a run under a clock put back changes nothing that was said.",
        (
            f"{ODD}::test_the_newest_word_stands_although_the_clock_was_put_back",
            f"{CLOCK}::test_a_run_under_a_clock_that_was_put_back_changes_nothing_of_what_was_said",
            "unit/sources/test_entsoe.py::test_a_clock_in_the_future_costs_readings_but_not_tomorrows_forecast",
        ),
    ),
    Promise(
        "The night on which the clock changes",
        "23 or 25 hours are read, forecast and published; a local time that does not exist is a rejected row.",
        (
            f"{CLOCK}::test_a_day_on_which_the_clock_changes_is_forecast_hour_by_hour",
            "unit/sources/test_meter_files.py::test_local_time_over_the_change_of_the_clock",
            "unit/sources/test_meter_files.py::test_wide_files_over_the_change_of_the_clock",
        ),
    ),
    Promise(
        "A month of data comes late, in one go",
        "It mends the marts as if it had always been there, and moves no forecast that was made before.",
        (
            f"{ODD}::test_a_month_of_late_data_in_one_go_comes_in_whole_and_touches_nothing_else",
            "dbt/test_dbt_project.py::test_late_data_mend_the_past_as_if_they_had_always_been_there",
            "pipeline/test_rebuild.py::test_what_came_in_since_does_not_change_what_was_said",
        ),
    ),
    Promise(
        "Every file comes twice, also packed or by another name",
        "The copies are in the ledger and bring no row.",
        (f"{ODD}::test_a_copy_of_every_file_brings_nothing",),
    ),
    Promise(
        "A meter is renamed",
        "A new meter: a fallback forecast until it has history. The old one keeps its own and is reported as stopped.",
        (
            f"{ODD}::test_a_meter_by_a_new_name_is_a_new_meter_and_the_old_one_keeps_its_history",
            "pipeline/test_bad_input.py::test_a_newcomer_gets_a_fallback_with_its_reason",
            "pipeline/test_bad_input.py::test_a_meter_that_stopped_a_year_ago_has_no_invented_forecast_and_is_reported_stale",
        ),
    ),
    Promise(
        "A column is new upstream, or gone",
        "New: nothing changes. Gone: the file is one rejected row that names it, and the others go on.",
        (
            f"{ODD}::test_a_column_that_is_new_upstream_changes_nothing_of_the_others",
            f"{ODD}::test_a_column_that_is_gone_upstream_is_a_rejected_file_that_says_which",
        ),
    ),
    Promise(
        "Training runs out of memory",
        "It is said; what stood before speaks on, where nothing stood meters get the fallback. Others do not notice.",
        (
            f"{MEMORY}::test_kinds_whose_training_runs_out_of_memory_get_the_fallback_and_it_is_said",
            f"{MEMORY}::test_other_errors_of_a_library_are_not_taken_for_lack_of_memory",
        ),
    ),
    Promise(
        "A backup is taken while the warehouse is in use",
        "It is of one instant, read to its end before it counts, there whole or not at all; writers wait and go on.",
        (
            f"{BACKUP}::test_a_backup_beside_a_writer_is_of_one_instant_and_the_writer_goes_on",
            f"{BACKUP}::test_a_backup_taken_during_a_run_goes_on_to_the_content_of_an_undisturbed_run",
            f"{BACKUP}::test_a_backup_brings_back_all_that_the_folder_holds",
            f"{BACKUP}::test_a_backup_is_there_whole_or_not_at_all",
            f"{BACKUP}::test_a_damaged_warehouse_makes_no_backup_that_looks_sound",
            f"{BACKUP}::test_the_working_file_of_a_backup_opens_by_itself",
        ),
    ),
    Promise(
        "A backup is damaged, foreign, or restored over a warehouse in use",
        "It is said, and nothing is restored.",
        (
            f"{BACKUP}::test_a_damaged_backup_is_told_and_restores_nothing",
            f"{BACKUP}::test_a_folder_in_use_is_never_overwritten",
            f"{BACKUP}::test_a_backup_that_names_files_elsewhere_is_refused",
            f"{BACKUP}::test_what_is_no_backup_is_told",
        ),
    ),
)
