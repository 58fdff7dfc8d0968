using Orleans.Storage;

namespace OrleansCache.Silo.Tests;

/// <summary>Our table of documents and its statements, through the provider that asks for them.</summary>
public class DocumentTableTests
{
    private static readonly GrainId Grain = GrainId.Create("gc", "default/gc");

    [Fact]
    public async Task A_document_comes_back_as_it_was_written_and_is_JSON_in_its_table()
    {
        await using var tables = await ProviderTables.CreateAsync();
        var storage = await tables.DocumentsAsync();
        var state = await ReadAsync(storage);
        Assert.Equal((null, false), (state.ETag, state.RecordExists));

        await WriteAsync(storage, state, new Note("first", DateTimeOffset.UnixEpoch));
        await WriteAsync(storage, state, new Note("é \"second\"", null));

        var read = await ReadAsync(storage);
        Assert.Equal((new Note("é \"second\"", null), "2", true), (read.State, read.ETag, read.RecordExists));
        Assert.Equal("""memory default/gc {"text": "é \"second\""}""",
            await tables.ScalarAsync("select state || ' ' || grain_key || ' ' || document::text from orleans.document"));
    }

    [Fact]
    public async Task A_write_on_a_stale_document_is_refused_and_changes_nothing()
    {
        await using var tables = await ProviderTables.CreateAsync();
        var storage = await tables.DocumentsAsync();
        var (first, second, third) = (await ReadAsync(storage), await ReadAsync(storage), await ReadAsync(storage));
        await WriteAsync(storage, first, new Note("a", null));
        third.ETag = first.ETag;
        await WriteAsync(storage, first, new Note("b", null));

        await Assert.ThrowsAsync<InconsistentStateException>(() => WriteAsync(storage, second, new Note("c", null)));
        await Assert.ThrowsAsync<InconsistentStateException>(() => WriteAsync(storage, third, new Note("d", null)));

        Assert.Equal("b", (await ReadAsync(storage)).State!.Text);
    }

    [Fact]
    public async Task Of_many_that_write_for_the_first_time_one_gets_the_row()
    {
        await using var tables = await ProviderTables.CreateAsync();
        var storage = await tables.DocumentsAsync();

        var written = await Task.WhenAll(Enumerable.Range(0, 50).Select(async i =>
        {
            try
            {
                await WriteAsync(storage, new GrainState<Note>(new Note()), new Note($"{i}", null));
                return 1;
            }
            catch (InconsistentStateException)
            {
                return 0;
            }
        }));

        Assert.Equal(1, written.Sum());
        Assert.Equal("1", await tables.ScalarAsync("select count(*)::text from orleans.document"));
    }

    [Fact]
    public async Task A_cleared_document_is_empty_and_is_not_begun_anew_by_who_has_not_seen_that()
    {
        await using var tables = await ProviderTables.CreateAsync();
        var storage = await tables.DocumentsAsync();
        var state = await ReadAsync(storage);
        await WriteAsync(storage, state, new Note("a", null));
        var late = await ReadAsync(storage);

        await storage.ClearStateAsync("memory", Grain, state);

        await Assert.ThrowsAsync<InconsistentStateException>(() => WriteAsync(storage, late, new Note("b", null)));
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.ClearStateAsync("memory", Grain, late));
        Assert.Null((await ReadAsync(storage)).State?.Text);
    }

    private static async Task<GrainState<Note>> ReadAsync(IGrainStorage storage)
    {
        var state = new GrainState<Note>(new Note());
        await storage.ReadStateAsync("memory", Grain, state);
        return state;
    }

    private static Task WriteAsync(IGrainStorage storage, GrainState<Note> state, Note note)
    {
        state.State = note;
        return storage.WriteStateAsync("memory", Grain, state);
    }

    private sealed record Note(string? Text, DateTimeOffset? At)
    {
        // Storage makes an empty one where there is none.
        public Note()
            : this(null, null)
        {
        }
    }
}
