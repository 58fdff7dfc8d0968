using OrleansCache.Contracts;

namespace OrleansCache.Core.Store.Local;

/// <summary>
/// Copies as second names (hard links) of the same bytes, as no object is ever written to in place. Where the file system makes none, the
/// bytes are copied.
/// </summary>
public sealed partial class DirectoryObjectStore
{
    public Task<CopyOutcome> CopyAsync(IObjectStore from, ObjectKey source, long size, ObjectKey key, string? uploadId,
        CancellationToken cancellationToken) =>
        StoreCall.RunAsync(StoreCall.Put, key, () => CopyAsync((DirectoryObjectStore)from, source, size, key, cancellationToken),
            cancellationToken);

    private async Task<CopyOutcome> CopyAsync(DirectoryObjectStore from, ObjectKey source, long size, ObjectKey key,
        CancellationToken cancellationToken)
    {
        if (from.Head(source) is not { } info)
            return CopyOutcome.Absent;
        if (info.Size != size)
            return CopyOutcome.Changed;
        var (origin, path) = (from._tree.PathOf(source), _tree.PathOf(key));
        var linked = Posix.TryLink(origin, path);
        if (linked == LinkOutcome.Missing)
        {
            Posix.MakeDirectory(Path.GetDirectoryName(path)!);
            linked = Posix.TryLink(origin, path);
        }

        return linked switch
        {
            LinkOutcome.Done => CopyOutcome.Done,
            LinkOutcome.Missing => CopyOutcome.Absent,
            LinkOutcome.Exists => Earlier(),
            _ => await CopyBytesAsync(),
        };

        // Nobody else writes this key: no URL for it was signed.
        CopyOutcome Earlier() => Head(key)?.Size == size ? CopyOutcome.Done : CopyOutcome.Changed;

        async Task<CopyOutcome> CopyBytesAsync()
        {
            await using var body = from.Get(source, null);
            return body is null ? CopyOutcome.Absent
                : await ReceiveAsync(new SignedUpload(key, null, null, default), body.Stream, size, cancellationToken) switch
                {
                    UploadStatus.Stored => CopyOutcome.Done,
                    UploadStatus.Exists => Earlier(),
                    _ => CopyOutcome.Changed,
                };
        }
    }
}
