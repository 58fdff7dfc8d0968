using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Settings;

/// <summary>A login that <c>orleans-cache login</c> has made.</summary>
internal sealed record Login
{
    /// <summary>The server, without a slash at its end.</summary>
    public required string Url { get; init; }

    public required string Token { get; init; }

    /// <summary>With it a new token is had when this one expires; null: a person has to log in again.</summary>
    public string? RefreshToken { get; init; }

    /// <summary>The issuer of the token, its client and where that refreshes; null: the token was pasted.</summary>
    public string? Issuer { get; init; }

    public string? ClientId { get; init; }

    /// <summary>What was asked for there, with spaces between.</summary>
    public string? Scopes { get; init; }
}

/// <summary>
/// The logins, in a file of the user's own beside the configuration: <c>logins.json</c>, mode 600. Each change writes a new file and
/// renames it.
/// </summary>
internal sealed class LoginStore(string folder)
{
    private const UnixFileMode OwnFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnFolder = OwnFile | UnixFileMode.UserExecute;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public string Path { get; } = System.IO.Path.Combine(folder, "logins.json");

    /// <summary>Beside the configuration file; null when there is no place for one.</summary>
    public static LoginStore? Default(Func<string, string?> environment) =>
        ConfigFile.DefaultPath(environment) is { } config ? new LoginStore(System.IO.Path.GetDirectoryName(config)!) : null;

    /// <summary>All logins; none when there is no file.</summary>
    /// <exception cref="CliException">The file cannot be read, or is something else.</exception>
    public IReadOnlyList<Login> Read()
    {
        try
        {
            return File.Exists(Path) ? JsonSerializer.Deserialize(File.ReadAllBytes(Path), LoginJson.Default.LoginFile)?.Logins ?? [] : [];
        }
        catch (JsonException e)
        {
            throw new CliException(ExitCodes.Usage,
                $"{Path} is damaged ({e.Message.ReplaceLineEndings(" ")}): delete it, and log in again with 'orleans-cache login'.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(ExitCodes.Usage, $"{Path} cannot be read: {e.Message}", e);
        }
    }

    public Login? Find(Uri url) => Read().FirstOrDefault(login => login.Url == KeyOf(url));

    /// <summary>Adds a login, or replaces that of the same server.</summary>
    public void Put(Login login)
    {
        using var held = Lock();
        Write([.. Read().Where(other => other.Url != login.Url), login]);
    }

    /// <summary>Removes a login.</summary>
    /// <returns>Null: there was none.</returns>
    public Login? Remove(Uri url)
    {
        // No folder is made for what is not there.
        if (Find(url) is null)
            return null;
        using var held = Lock();
        var removed = Find(url);
        if (removed is not null)
            Write([.. Read().Where(login => login.Url != removed.Url)]);
        return removed;
    }

    /// <summary>Keeps other processes from changing the logins: a refresh token works once.</summary>
    public async Task<IDisposable> LockAsync(CancellationToken cancellationToken)
    {
        for (var begun = Environment.TickCount64; ; await Task.Delay(50, cancellationToken))
        {
            try
            {
                return TryLock();
            }
            catch (IOException) when (Environment.TickCount64 - begun < Patience.TotalMilliseconds && Directory.Exists(folder))
            {
                // Another process changes them.
            }
        }
    }

    /// <summary>Replaces a login while <see cref="LockAsync"/> is held.</summary>
    public void PutLocked(Login login) => Write([.. Read().Where(other => other.Url != login.Url), login]);

    /// <summary>What a login is found by.</summary>
    public static string KeyOf(Uri url) => url.AbsoluteUri.TrimEnd('/');

    private IDisposable Lock() => LockAsync(CancellationToken.None).GetAwaiter().GetResult();

    private FileStream TryLock()
    {
        MakeFolder();
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnFile;
        return new FileStream(System.IO.Path.Combine(folder, "logins.lock"), options);
    }

    private void Write(IReadOnlyList<Login> logins) =>
        PrivateFile.Write(Path, JsonSerializer.SerializeToUtf8Bytes(new LoginFile { Logins = logins }, LoginJson.Default.LoginFile));

    private void MakeFolder()
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(folder);
        else
            Directory.CreateDirectory(folder, OwnFolder);
    }
}

/// <summary>The file of logins.</summary>
internal sealed record LoginFile
{
    public required IReadOnlyList<Login> Logins { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(LoginFile))]
internal sealed partial class LoginJson : JsonSerializerContext;
