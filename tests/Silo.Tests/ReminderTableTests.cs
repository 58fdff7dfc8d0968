namespace OrleansCache.Silo.Tests;

/// <summary>Our reminder table and its statements, through the provider that asks for them.</summary>
public class ReminderTableTests
{
    private static readonly DateTime Start = new(2026, 1, 2, 3, 4, 5, 678, DateTimeKind.Utc);

    [Fact]
    public async Task A_reminder_comes_back_as_it_was_written_and_is_changed_in_place()
    {
        await using var tables = await ProviderTables.CreateAsync();
        var first = await tables.Reminders.UpsertRow(Reminder("a", "gc", TimeSpan.FromMinutes(1)));
        // Longer than a number of 32 bits has milliseconds.
        var second = await tables.Reminders.UpsertRow(Reminder("a", "gc", TimeSpan.FromDays(40)));

        var read = Assert.IsType<ReminderEntry>(await tables.Reminders.ReadRow(Grain("a"), "gc"));

        Assert.NotEqual(first, second);
        Assert.Equal((Grain("a"), "gc", Start, TimeSpan.FromDays(40), second),
            (read.GrainId, read.ReminderName, read.StartAt, read.Period, read.ETag));
        Assert.Single((await tables.Reminders.ReadRows(Grain("a"))).Reminders);
        Assert.Null(await tables.Reminders.ReadRow(Grain("a"), "other"));
        Assert.Empty((await tables.Reminders.ReadRows(Grain("b"))).Reminders);
    }

    [Fact]
    public async Task Many_that_write_one_reminder_at_once_leave_one_row()
    {
        await using var tables = await ProviderTables.CreateAsync();

        var tags = await Task.WhenAll(Enumerable.Range(1, 50)
            .Select(i => tables.Reminders.UpsertRow(Reminder("a", "gc", TimeSpan.FromMinutes(i)))));

        Assert.Equal(50, tags.Distinct().Count());
        Assert.Contains(Assert.Single((await tables.Reminders.ReadRows(Grain("a"))).Reminders).ETag, tags);
    }

    [Fact]
    public async Task Only_the_state_that_was_seen_is_removed()
    {
        await using var tables = await ProviderTables.CreateAsync();
        var old = await tables.Reminders.UpsertRow(Reminder("a", "gc", TimeSpan.FromMinutes(1)));
        var current = await tables.Reminders.UpsertRow(Reminder("a", "gc", TimeSpan.FromMinutes(2)));

        Assert.False(await tables.Reminders.RemoveRow(Grain("a"), "gc", old!));
        Assert.True(await tables.Reminders.RemoveRow(Grain("a"), "gc", current!));
        Assert.False(await tables.Reminders.RemoveRow(Grain("a"), "gc", current!));

        var anew = await tables.Reminders.UpsertRow(Reminder("a", "gc", TimeSpan.FromMinutes(1)));
        Assert.DoesNotContain(anew, new[] { old, current });
        Assert.False(await tables.Reminders.RemoveRow(Grain("a"), "gc", old!));
    }

    [Fact]
    public async Task The_ranges_of_a_ring_hold_each_reminder_once()
    {
        await using var tables = await ProviderTables.CreateAsync();
        var names = Enumerable.Range(0, 200).Select(i => $"grain {i}").ToList();
        foreach (var name in names)
            await tables.Reminders.UpsertRow(Reminder(name, "gc", TimeSpan.FromMinutes(1)));
        uint[] cuts = [0x1000_0000, 0x7fff_ffff, 0x8000_0000, 0xc000_0000, 0xffff_ffff];

        var found = new List<string>();
        for (var i = 0; i < cuts.Length; i++)
        {
            var (begin, end) = (cuts[i], cuts[(i + 1) % cuts.Length]);
            var rows = (await tables.Reminders.ReadRows(begin, end)).Reminders;
            Assert.All(rows, row => Assert.True(IsWithin(row.GrainId.GetUniformHashCode(), begin, end)));
            found.AddRange(rows.Select(row => row.GrainId.Key.ToString()!));
        }

        Assert.Equal(names.Order(StringComparer.Ordinal), found.Order(StringComparer.Ordinal));
        // From a point around to itself is all of the ring.
        Assert.Equal(names.Count, (await tables.Reminders.ReadRows(5, 5)).Reminders.Count);
    }

    [Fact]
    public async Task Services_on_one_database_know_nothing_of_each_other()
    {
        await using var tables = await ProviderTables.CreateAsync();
        await using var other = await tables.OfClusterAsync("other");
        await tables.Reminders.UpsertRow(Reminder("a", "gc", TimeSpan.FromMinutes(1)));

        Assert.Empty((await other.Reminders.ReadRows(Grain("a"))).Reminders);
        await other.Reminders.TestOnlyClearTable();

        Assert.Single((await tables.Reminders.ReadRows(Grain("a"))).Reminders);
    }

    private static bool IsWithin(uint hash, uint begin, uint end) => begin < end ? hash > begin && hash <= end : hash > begin
        || hash <= end;

    private static GrainId Grain(string key) => GrainId.Create("test", key);

    private static ReminderEntry Reminder(string grain, string name, TimeSpan period) =>
        new() { GrainId = Grain(grain), ReminderName = name, StartAt = Start, Period = period };
}
