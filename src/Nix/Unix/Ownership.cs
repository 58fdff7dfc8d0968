using System.Runtime.InteropServices;

namespace OrleansCache.Nix;

/// <summary>The user and the group that a file belongs to.</summary>
internal static partial class Ownership
{
    /// <exception cref="IOException">The file is not there, or may not be looked at.</exception>
    public static (uint User, uint Group) Of(string path) =>
        FileStatus.TryGet(Libc.AtCurrentDirectory, Libc.ToPath(path), follow: true, out var status) ? (status.User, status.Group)
            : throw new IOException($"whom {path} belongs to cannot be found out ({Platform.LastError()})");

    /// <returns>False: <see cref="Platform.LastError"/> says why.</returns>
    public static bool TryChange(string path, uint user, uint group) => ChangeOwner(path, user, group) == 0;

    [LibraryImport(Platform.Libc, EntryPoint = "chown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeOwner(string path, uint user, uint group);
}
