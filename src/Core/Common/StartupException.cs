namespace OrleansCache.Core.Common;

/// <summary>
/// The server cannot start as configured. The message is one sentence for the person who started it; the process ends with exit code 2.
/// </summary>
public sealed class StartupException(string message, Exception? inner = null) : Exception(message, inner);
