using System.Globalization;
using System.Text;
using OrleansCache.Cli.Http;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Push;

/// <summary>Small NARs, one after the other in one buffer, for one request. Filled by one thread.</summary>
internal sealed class NarBatch(SegmentPool pool) : IDisposable
{
    /// <summary>The memory to set aside for one.</summary>
    public const long MaxBytes = 4 << 20;

    // Enough that the request is cheap, few enough that several are under way.
    private const int MaxNars = 256;

    // A larger one is worth a request of its own.
    private const long MaxNarBytes = 256 << 10;

    private readonly List<BatchedNar> _nars = [];

    public SegmentedBuffer Body { get; } = new(pool);

    public IReadOnlyList<BatchedNar> Nars => _nars;

    /// <summary>Whether a NAR may come in a batch at all.</summary>
    public static bool Takes(UploadJob job) =>
        job is { Grant: { Url: not null, Md5: false, Headers.Count: 0 }, Info.NarSize: <= MaxNarBytes }
            && job.Grant.Url.OriginalString.Length < BatchLimits.LineBytes - 32;

    /// <summary>Whether there is space for one more, of so many bytes at most.</summary>
    public bool HasSpace(long bytes) => _nars.Count < MaxNars && Body.Length + bytes <= MaxBytes;

    /// <summary>The bytes from the end of the last one on are this NAR.</summary>
    public void Add(UploadJob job, UploadedFile file) => _nars.Add(new BatchedNar(job, job.Grant!, file, Body.Length - file.Size));

    /// <summary>What comes before the bytes: a line for each NAR and an empty one.</summary>
    public byte[] Lines()
    {
        var lines = new StringBuilder();
        foreach (var nar in _nars)
            lines.Append(CultureInfo.InvariantCulture, $"{nar.Grant.Url!.OriginalString} {nar.File.Size}\n");
        return Encoding.ASCII.GetBytes(lines.Append('\n').ToString());
    }

    public void Dispose() => Body.Dispose();
}

/// <param name="Offset">Where its bytes begin in the batch.</param>
internal sealed record BatchedNar(UploadJob Job, UploadGrant Grant, UploadedFile File, long Offset);
