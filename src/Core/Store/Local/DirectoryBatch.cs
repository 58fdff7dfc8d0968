using System.Buffers;

namespace OrleansCache.Core.Store.Local;

/// <summary>
/// Many small uploads to a directory store at once: written one after the other and synced together; each then gets its name unless an
/// object has it.
/// </summary>
internal static class DirectoryBatch
{
    /// <param name="uploads">Null tickets were refused; their bytes are read and forgotten.</param>
    /// <param name="bodies">All bodies in this order, and nothing after them.</param>
    /// <returns>The status of each, null where the signed was null; or null for all: the bodies were shorter or longer than declared, and
    /// none of the batch is stored.</returns>
    public static async Task<UploadStatus?[]?> ReceiveAsync(DirectoryTree tree, IReadOnlyList<(SignedUpload? Signed, int Length)> uploads,
        Stream bodies, CancellationToken cancellationToken)
    {
        var outcomes = new UploadStatus?[uploads.Count];
        var added = new List<int>(uploads.Count); // index of the file → of the upload
        var buffer = ArrayPool<byte>.Shared.Rent(Math.Max(1, uploads.Max(u => u.Length)));
        await using var files = new NewFiles(tree, uploads.Count);
        try
        {
            for (var i = 0; i < uploads.Count; i++)
            {
                var (signed, length) = uploads[i];
                var body = buffer.AsMemory(0, length);
                if (await bodies.ReadAtLeastAsync(body, length, throwOnEndOfStream: false, cancellationToken) < length)
                    return null;
                outcomes[i] = signed is null ? null : length > signed.MaxSize ? UploadStatus.TooLarge
                    : Posix.FileExists(tree.PathOf(signed.Key)) ? UploadStatus.Exists : UploadStatus.Stored;
                if (outcomes[i] != UploadStatus.Stored)
                    continue;
                await files.AddAsync(body);
                added.Add(i);
            }

            if (await bodies.ReadAsync(buffer.AsMemory(0, 1), cancellationToken) != 0)
                return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        await files.SyncAsync();
        for (var file = 0; file < added.Count; file++)
        {
            var path = tree.PathOf(uploads[added[file]].Signed!.Key);
            if (!files.Move(file, temp => DirectoryTree.AddNew(temp, path)))
                outcomes[added[file]] = UploadStatus.Exists;
        }

        return outcomes;
    }
}
