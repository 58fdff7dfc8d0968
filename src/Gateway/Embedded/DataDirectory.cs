using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Embedded;

/// <summary>
/// The folder of a server's keys and token and, with the embedded default, its PostgreSQL and objects. One server at a time may use it.
/// </summary>
/// <remarks><c>docs/server.md</c> lists what lies in it. Files appear whole: written beside, synced, renamed.</remarks>
public sealed class DataDirectory : IDisposable
{
    private readonly FileStream _lock;

    private DataDirectory(string path, FileStream held) => (FullPath, _lock) = (path, held);

    public string FullPath { get; }

    public string PostgresFolder => Path.Combine(FullPath, "postgres");

    /// <summary>An earlier server has made the database.</summary>
    public bool HasDatabase => Directory.Exists(PostgresCluster.DataFolderOf(PostgresFolder));

    public string StoreFolder => Path.Combine(FullPath, "store");

    public string TokenFile => Path.Combine(FullPath, "token");

    public string KeyFile => Path.Combine(FullPath, "key");

    /// <summary>The default path: <c>/var/lib/orleans-cache</c> as root, else below the XDG state folder.</summary>
    /// <exception cref="StartupException">There is no home directory: nobody would look for a key below the working directory.</exception>
    public static string DefaultPath()
    {
        if (Environment.IsPrivilegedProcess)
            return "/var/lib/orleans-cache";
        // The XDG specification says to ignore relative paths.
        if (Environment.GetEnvironmentVariable("XDG_STATE_HOME") is { Length: > 0 } state && state[0] == '/')
            return Path.Combine(state, "orleans-cache");
        // Empty when HOME, or the home directory of the user, does not exist.
        return Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) is { Length: > 0 } home && home[0] == '/'
            ? Path.Combine(home, ".local", "state", "orleans-cache")
            : throw new StartupException(
                "There is no home directory to keep data in: name a data directory with --data, or set XDG_STATE_HOME.");
    }

    /// <exception cref="StartupException">It cannot be made or entered, or another server uses it.</exception>
    public static DataDirectory Open(string path)
    {
        var full = Path.GetFullPath(path);
        try
        {
            Directory.CreateDirectory(full, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            // flock(2): the lock ends with the process, however that ends. The next line does not wait for it.
            var held = new FileStream(Path.Combine(full, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            return new DataDirectory(full, held);
        }
        catch (IOException e) when (File.Exists(Path.Combine(full, "lock")))
        {
            throw new StartupException(
                $"The data directory {full} is in use by another server: stop that one, or choose another directory with --data.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartupException(
                $"The data directory {full} cannot be used: {e.Message.TrimEnd('.')}. Let the user '{Environment.UserName}' own it, or " +
                "name another with --data.", e);
        }
    }

    /// <summary>The objects of a cache beside the default one.</summary>
    public string StoreFolderOf(CacheName cache) => Path.Combine(FullPath, "caches", cache.ToString());

    /// <summary>The signing key, made on first use; its public half is beside it.</summary>
    public SecretKey SigningKey()
    {
        var text = ReadOrCreate("key", () => SecretKey.Generate($"{HostName()}-1").Export() + "\n");
        if (!SecretKey.TryParse(text, out var key, out var error))
            throw new StartupException(
                $"{KeyFile} is not a signing key: {error}. Restore it, or remove it together with key.pub to have a new one made.");
        var publicText = key.PublicKey + "\n";
        var publicFile = Path.Combine(FullPath, "key.pub");
        if (!File.Exists(publicFile) || File.ReadAllText(publicFile) != publicText)
            Write("key.pub", publicText, isSecret: false);
        return key;
    }

    /// <summary>The file of the token that may write, made on first use.</summary>
    public string EnsureToken()
    {
        ReadOrCreate("token", () => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)) + "\n");
        return TokenFile;
    }

    /// <summary>The secret that upload URLs are signed with.</summary>
    public byte[] UrlSecret()
    {
        var text = ReadOrCreate("url-secret", () => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)) + "\n").Trim();
        try
        {
            return Convert.FromHexString(text) is { Length: >= 32 } secret ? secret : throw new FormatException("too short");
        }
        catch (FormatException e)
        {
            throw new StartupException(
                $"{Path.Combine(FullPath, "url-secret")} is damaged: remove it to have a new one made; open uploads then ask for new URLs.",
                e);
        }
    }

    public void Dispose() => _lock.Dispose();

    private static string HostName()
    {
        var name = new string([.. Environment.MachineName.Where(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-')]);
        return name.Length == 0 ? "orleans-cache" : name;
    }

    private string ReadOrCreate(string name, Func<string> create)
    {
        var path = Path.Combine(FullPath, name);
        try
        {
            if (!File.Exists(path))
                Write(name, create(), isSecret: true);
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"{path} cannot be used: {e.Message}", e);
        }
    }

    private void Write(string name, string text, bool isSecret)
    {
        const UnixFileMode Secret = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        var path = Path.Combine(FullPath, name);
        var temp = path + ".new";
        File.Delete(temp);
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = isSecret ? Secret : Secret | UnixFileMode.GroupRead | UnixFileMode.OtherRead,
        };
        using (var file = new FileStream(temp, options))
        {
            file.Write(System.Text.Encoding.UTF8.GetBytes(text));
            file.Flush(flushToDisk: true);
        }

        File.Move(temp, path, overwrite: true);
    }
}
