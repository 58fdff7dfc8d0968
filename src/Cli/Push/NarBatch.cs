using System.Globalization;
using System.Text;
using OrleansCache.Cli.Http;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Push;

/// <summary>Small NARs, one after the other in one buffer, for one request. Filled by one thread.</summary>
internal sealed class NarBatch(SegmentPool pool) : IDisposable
{
    /// <summary>The memory to reserve for one batch.</summary>
    public const long MaxBytes = 4 << 20;

    // Enough to make the request cheap, and few enough to have several under way.
    private const int MaxNars = 256;

    // A larger NAR is worth a request of its own.
    private const long MaxNarBytes = 256 << 10;

    private readonly List<BatchedNar> _nars = [];

    public SegmentedBuffer Body { get; } = new(pool);

    public IReadOnlyList<BatchedNar> Nars => _nars;

    /// <summary>Whether the NAR may go into a batch.</summary>
    public static bool Takes(UploadJob job) =>
        job is { Grant: { Url: not null, Md5: false, Headers.Count: 0 }, Info.NarSize: <= MaxNarBytes }
            && job.Grant.Url.OriginalString.Length < BatchLimits.LineBytes - 32;

    /// <summary>Whether another NAR of at most so many bytes fits.</summary>
    public bool HasSpace(long bytes) => _nars.Count < MaxNars && Body.Length + bytes <= MaxBytes;

    /// <summary>Makes the bytes after the last NAR this one.</summary>
    public void Add(UploadJob job, UploadedFile file) => _nars.Add(new BatchedNar(job, job.Grant!, file, Body.Length - file.Size));

    /// <summary>The head of the request: a line for each NAR, and an empty one.</summary>
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
