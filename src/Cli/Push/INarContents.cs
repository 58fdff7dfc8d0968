using OrleansCache.Cli.Common;
using OrleansCache.Cli.Store;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>Where a push reads what it sends: the local store, or another cache. Many threads call it.</summary>
internal interface INarContents
{
    /// <summary>Brings the compressed file of a path's NAR into the output, and compares the NAR with what is recorded of it.</summary>
    /// <param name="job">Whose first path is read.</param>
    /// <param name="encoder">Compresses; one NAR at a time. It is ready for the next one afterwards, also after an error.</param>
    /// <param name="output">Gets the file.</param>
    /// <param name="workers">Threads of zstd's own for a large NAR.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="UnusableNarException">This path cannot be sent, and the others can.</exception>
    /// <exception cref="CliException">Nothing more can be sent.</exception>
    (UploadedFile File, NarListing? Listing) Encode(UploadJob job, NarEncoder encoder, NarOutput output, int workers,
        CancellationToken cancellationToken);

    /// <summary>The listing of a path whose NAR the server has already; null when there is none to be had.</summary>
    /// <exception cref="UnusableNarException">As above.</exception>
    NarListing? List(UploadJob job, CancellationToken cancellationToken);

    /// <summary>Looks again at a path whose NAR the server has refused by its hash.</summary>
    /// <exception cref="CliException">It is damaged here.</exception>
    void CheckRefused(PathInfo info, CancellationToken cancellationToken);

    /// <summary>A build log as text.</summary>
    /// <param name="file">As <see cref="LocalClosure.Logs"/> names it.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="InvalidDataException">It is damaged or too long.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    byte[] ReadLog(string file, CancellationToken cancellationToken);
}

/// <summary>A path whose NAR is not what is recorded of it, or cannot be read where all else can.</summary>
internal sealed class UnusableNarException(StorePath path, string why) : Exception($"{path}: {why}")
{
    public StorePath Path { get; } = path;

    public string Why { get; } = why;
}

/// <summary>
/// A push that has sent all but some paths, and is left open: what it has sent is there for another one, which can be begun without them.
/// </summary>
/// <param name="push">The push, to be ended once the other one has begun.</param>
/// <param name="paths">What is wrong with which paths.</param>
internal sealed class UnusablePathsException(string push, IReadOnlyList<UnusableNarException> paths) : Exception(paths[0].Message)
{
    public string Push { get; } = push;

    public IReadOnlyList<UnusableNarException> Paths { get; } = paths;
}
