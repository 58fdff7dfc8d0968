using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;

namespace OrleansCache.Nix;

/// <summary>
/// The <c>.ls</c> of a NAR: what is in it and where, so that a reader can fetch one file alone.
/// </summary>
/// <param name="Json">UTF-8, as Nix writes it: <c>{"version":1,"root":{…}}</c>.</param>
/// <param name="IsExact">
/// False when a name or link target is not UTF-8. JSON cannot hold it; it is listed with U+FFFD in place of what is not, and entries whose
/// names thereby become equal are listed once. A reader of such a listing misses those files, while one that finds no listing reads the NAR
/// and misses none: do not publish it.
/// </param>
/// <param name="Summary">Size and depth of the NAR.</param>
public sealed record NarListing(byte[] Json, bool IsExact, NarSummary Summary)
{
    /// <summary>From the files' sizes alone; nothing is read.</summary>
    /// <exception cref="IOException">As for <see cref="NarWriter.Write"/>.</exception>
    public static NarListing FromFileSystem(string path, NarWriteOptions? options = null, CancellationToken cancellationToken = default)
    {
        var builder = new NarListingBuilder();
        return builder.Build(NarWriter.Inspect(path, builder, options, cancellationToken));
    }

    /// <exception cref="InvalidDataException">Not a valid NAR.</exception>
    public static async Task<NarListing> FromNarAsync(Stream nar, NarReadOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        var builder = new NarListingBuilder();
        return builder.Build(await NarReader.ReadAsync(nar, builder, options, cancellationToken));
    }

    public override string ToString() => Encoding.UTF8.GetString(Json);
}

/// <summary>Writes a listing while a NAR is read for another purpose.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The writer writes to memory and holds nothing to release.")]
public sealed class NarListingBuilder : INarHandler
{
    private readonly ArrayBufferWriter<byte> _json = new();
    private readonly Utf8JsonWriter _writer;
    private readonly Stack<HashSet<string>?> _inexactNames = [];
    private bool _exact = true;
    private int _skipped;

    public NarListingBuilder()
    {
        // The writer sets no limit of its own: callers limit the depth in the reader.
        _writer = new Utf8JsonWriter(_json, new JsonWriterOptions { MaxDepth = int.MaxValue });
        _writer.WriteStartObject();
        _writer.WriteNumber("version"u8, 1);
        _writer.WritePropertyName("root"u8);
    }

    /// <summary>To be called once, after the whole NAR.</summary>
    public NarListing Build(NarSummary summary)
    {
        _writer.WriteEndObject();
        _writer.Flush();
        return new NarListing(_json.WrittenSpan.ToArray(), _exact, summary);
    }

    void INarHandler.BeginDirectory()
    {
        if (_skipped > 0)
            return;
        _inexactNames.Push(null);
        _writer.WriteStartObject();
        _writer.WriteString("type"u8, "directory"u8);
        _writer.WriteStartObject("entries"u8);
    }

    void INarHandler.EndDirectory()
    {
        if (_skipped > 0)
            return;
        _inexactNames.Pop();
        _writer.WriteEndObject();
        _writer.WriteEndObject();
    }

    void INarHandler.BeginEntry(ReadOnlySpan<byte> name)
    {
        if (_skipped > 0)
        {
            _skipped++;
            return;
        }

        var text = Text(name, out var exact);
        // Only a replaced name, or one with U+FFFD of its own, can equal another.
        if (!exact || text.Contains('\uFFFD', StringComparison.Ordinal))
        {
            var names = _inexactNames.Pop() ?? new HashSet<string>(StringComparer.Ordinal);
            _inexactNames.Push(names);
            if (!names.Add(text))
            {
                _skipped = 1;
                return;
            }
        }

        _writer.WritePropertyName(text);
    }

    void INarHandler.EndEntry()
    {
        if (_skipped > 0)
            _skipped--;
    }

    void INarHandler.BeginFile(bool executable, long size, long narOffset)
    {
        if (_skipped > 0)
            return;
        _writer.WriteStartObject();
        _writer.WriteString("type"u8, "regular"u8);
        _writer.WriteNumber("size"u8, size);
        if (executable)
            _writer.WriteBoolean("executable"u8, true);
        _writer.WriteNumber("narOffset"u8, narOffset);
        _writer.WriteEndObject();
    }

    void INarHandler.FileData(ReadOnlySpan<byte> data)
    {
    }

    void INarHandler.EndFile()
    {
    }

    void INarHandler.Symlink(ReadOnlySpan<byte> target)
    {
        if (_skipped > 0)
            return;
        _writer.WriteStartObject();
        _writer.WriteString("type"u8, "symlink"u8);
        _writer.WriteString("target"u8, Text(target, out _));
        _writer.WriteEndObject();
    }

    private string Text(ReadOnlySpan<byte> bytes, out bool exact)
    {
        exact = System.Text.Unicode.Utf8.IsValid(bytes);
        _exact &= exact;
        return Encoding.UTF8.GetString(bytes);
    }
}
