using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

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
    /// <summary>U+FFFD, which stands for what is not UTF-8.</summary>
    internal static ReadOnlySpan<byte> Replacement => "\uFFFD"u8;

    private readonly ChunkedBuffer _json = new();
    private readonly Utf8JsonWriter _writer;
    private readonly Stack<HashSet<string>?> _inexactNames = [];
    private int _skipped;

    public NarListingBuilder()
    {
        // The writer sets no limit of its own: callers limit the depth in the reader.
        _writer = new Utf8JsonWriter(_json, new JsonWriterOptions { MaxDepth = int.MaxValue });
        _writer.WriteStartObject();
        _writer.WriteNumber("version"u8, 1);
        _writer.WritePropertyName("root"u8);
    }

    /// <summary>Bytes of the JSON so far.</summary>
    internal long Size => _writer.BytesCommitted + _writer.BytesPending;

    /// <summary>What <see cref="NarListing.IsExact"/> would be now.</summary>
    internal bool IsExact { get; private set; } = true;

    /// <summary>To be called once, after the whole NAR.</summary>
    public NarListing Build(NarSummary summary)
    {
        _writer.WriteEndObject();
        _writer.Flush();
        return new NarListing(_json.ToArray(), IsExact, summary);
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

        var exact = Utf8.IsValid(name);
        if (exact && name.IndexOf(Replacement) < 0)
        {
            _writer.WritePropertyName(name);
            return;
        }

        // Only a replaced name, or one with U+FFFD of its own, can equal another.
        IsExact &= exact;
        var text = Encoding.UTF8.GetString(name);
        var names = _inexactNames.Pop() ?? new HashSet<string>(StringComparer.Ordinal);
        _inexactNames.Push(names);
        if (names.Add(text))
            _writer.WritePropertyName(text);
        else
            _skipped = 1;
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
        var exact = Utf8.IsValid(target);
        IsExact &= exact;
        if (exact)
            _writer.WriteString("target"u8, target);
        else
            _writer.WriteString("target"u8, Encoding.UTF8.GetString(target));
        _writer.WriteEndObject();
    }
}
